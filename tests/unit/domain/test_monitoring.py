"""When realised figures ask for a retraining."""

import math
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from xflow.domain.monitoring import Evidence, Window, decide, is_bad
from xflow.pipeline_base import MonitorPolicy

START = datetime(2026, 1, 5)
POLICY = MonitorPolicy(windows=4, bad=2, worse_than=1.5, min_count=10)


def windows(*errors: float, n: int = 20) -> list[Window]:
    return [Window(START + timedelta(weeks=i), n, error) for i, error in enumerate(errors)]


policies = st.integers(1, 8).flatmap(
    lambda most: st.builds(
        MonitorPolicy,
        windows=st.just(most),
        bad=st.integers(1, most),
        worse_than=st.floats(0.5, 3),
        min_count=st.integers(1, 50),
    )
)
lives = st.lists(st.tuples(st.integers(0, 60), st.floats(0, 10)), max_size=12).map(
    lambda found: [Window(START + timedelta(weeks=i), n, error) for i, (n, error) in enumerate(found)]
)
evidences = st.builds(
    Evidence,
    known_until=st.none() | st.integers(-1, 12).map(lambda i: START + timedelta(weeks=i)),
    drift=st.sampled_from(["", "ok", "warn", "stop"]),
    pending=st.booleans(),
)


@pytest.mark.parametrize(
    ("found", "drift", "ask"),
    [
        (windows(1, 1, 2, 2), "", True),
        (windows(2, 2, 1, 1), "", True),  # two of the last four
        (windows(2, 2, 1, 1, 1), "", False),  # one of the last four
        (windows(1, 1, 1.5, 1.5), "", False),  # not more than the factor
        (windows(1, 2), "warn", True),
        (windows(1, 2), "ok", False),
        (windows(2, 1), "stop", False),  # the newest is good
        ([], "stop", False),
    ],
)
def test_the_rule(found: list[Window], drift: str, ask: bool) -> None:
    assert decide(found, 1.0, Evidence(drift=drift), POLICY).ask is ask


def test_small_windows_and_those_that_a_training_knew_do_not_count() -> None:
    assert not decide(windows(2, 2, n=9), 1.0, Evidence(), POLICY).ask
    assert decide(windows(2, 2, n=10), 1.0, Evidence(), POLICY).ask
    assert not decide(windows(2, 2), 1.0, Evidence(known_until=START), POLICY).ask
    assert decide(windows(2, 2), 1.0, Evidence(known_until=START - timedelta(days=1)), POLICY).ask


@given(lives, st.floats(0.1, 5) | st.just(math.nan), evidences, policies)
def test_it_asks_exactly_for_enough_bad_news(
    found: list[Window], holdout: float, evidence: Evidence, policy: MonitorPolicy
) -> None:
    """The rule once more, in plain words."""
    known = evidence.known_until or START - timedelta(weeks=99)
    bad = [
        window.error > policy.worse_than * holdout
        for window in found
        if window.start > known and window.n >= policy.min_count and not math.isnan(holdout)
    ]
    recent = bad[::-1][: policy.windows]
    worse = recent.count(True) >= policy.bad or (recent[:1] == [True] and evidence.drift in {"warn", "stop"})
    decision = decide(found, holdout, evidence, policy)
    assert decision.ask is (worse and not evidence.pending)
    assert decision.reason.startswith("asks for a retraining: ") is decision.ask


@given(lives, st.floats(0.1, 5), evidences, policies, st.randoms(use_true_random=False))
def test_the_order_of_windows_does_not_matter(
    found: list[Window], holdout: float, evidence: Evidence, policy: MonitorPolicy, chance: Any
) -> None:
    shuffled = found[:]
    chance.shuffle(shuffled)
    assert decide(shuffled, holdout, evidence, policy) == decide(found, holdout, evidence, policy)


@given(lives, st.floats(0.1, 5), evidences, policies)
def test_what_was_answered_by_a_training_is_never_asked_again(
    found: list[Window], holdout: float, evidence: Evidence, policy: MonitorPolicy
) -> None:
    newest = max((window.start for window in found), default=START)
    assert not decide(found, holdout, Evidence(newest, evidence.drift), policy).ask


def test_a_window_without_enough_outcomes_or_a_holdout_cannot_be_told() -> None:
    assert is_bad(9, 99.0, 1.0, POLICY) is None
    assert is_bad(10, 99.0, math.nan, POLICY) is None
    assert is_bad(10, math.nan, 1.0, POLICY) is None
    assert is_bad(10, 99.0, 1.0, POLICY) is True


def test_a_policy_that_never_asks_is_refused() -> None:
    with pytest.raises(ValidationError, match="would never be asked for"):
        MonitorPolicy(windows=2, bad=3)
