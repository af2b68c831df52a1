"""The verdict on a challenger."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from xflow.domain.promotion import FEWEST_GROUPS, Holdout, decide, paired_interval, sign_test
from xflow.domain.promotion_figure import comparison
from xflow.pipeline_base import PromotionPolicy

POLICY = PromotionPolicy(resamples=400)
errors = st.floats(0, 1e6)


def holdout(n: int, **changed) -> Holdout:
    return Holdout(**({"metric": "mase", "unit": "series", "groups": np.arange(n)} | changed))


def judged(champion, challenger, policy=POLICY, **changed):
    old = None if champion is None else np.array(champion)
    return decide(old, np.array(challenger), policy, holdout(len(challenger), **changed))


def two_models(low=FEWEST_GROUPS, high=30):
    return st.integers(low, high).flatmap(lambda n: st.tuples(*[st.lists(errors, min_size=n, max_size=n)] * 2))


def test_first_model_is_promoted():
    decision = judged(None, [1.0, 3.0], floor=2.5)
    assert decision.promote
    assert decision.figures["holdout_mase_challenger"] == 2.0


@pytest.mark.parametrize("champion", [None, [9.0] * 10])
@pytest.mark.parametrize("floor", [2.0, 1.5])
def test_a_model_that_does_not_beat_the_floor_is_never_promoted(champion, floor):
    decision = judged(champion, [2.0] * 10, floor=floor)
    assert decision.outcome == "kept"
    assert f"does not beat the floor's {floor:.4f}" in decision.reason


def test_a_clear_gain_is_promoted_and_the_reason_has_the_figures_and_the_interval():
    decision = judged(np.linspace(2, 3, 20), np.linspace(1, 2, 20) + 0.01 * np.arange(20) % 3)
    assert decision.promote
    for part in ("better: holdout mase 1.5", "the champion's 2.5000 on 20 series", "95% interval of the difference -"):
        assert part in decision.reason
    figures = decision.figures
    assert figures["holdout_mase_difference_lower"] <= figures["holdout_mase_difference"] < 0
    assert figures["holdout_mase_difference"] <= figures["holdout_mase_difference_upper"] < 0


def test_a_better_mean_that_may_be_chance_is_not_enough():
    rng = np.random.default_rng(3)
    champion = rng.lognormal(size=20)
    challenger = champion + rng.normal(0, 1, 20)
    challenger += champion.mean() - 0.05 - challenger.mean()
    decision = judged(champion, challenger)
    assert challenger.mean() < champion.mean()
    assert decision.outcome == "kept"
    assert decision.figures["holdout_mase_difference_upper"] > 0


def test_the_files_least_gain_is_asked_of_the_whole_interval():
    champion, challenger = np.full(20, 2.0), np.full(20, 1.8) + 0.01 * (np.arange(20) % 2)
    assert judged(champion, challenger, PromotionPolicy(resamples=400, min_gain=0.05)).promote
    kept = judged(champion, challenger, PromotionPolicy(resamples=400, min_gain=0.12))
    assert kept.outcome == "kept"
    assert "not all below -0.2400" in kept.reason


@pytest.mark.parametrize(("confidence", "resamples", "least"), [(0.9999, 2_000, "20000"), (0.999, 500, "2000")])
def test_a_policy_that_no_version_could_ever_meet_is_refused(confidence, resamples, least):
    with pytest.raises(ValidationError, match=f"Set resamples to {least}"):
        PromotionPolicy(confidence=confidence, resamples=resamples)
    assert PromotionPolicy(confidence=confidence, resamples=int(least)).resamples == int(least)


@given(st.lists(errors, min_size=1, max_size=20))
def test_tie_keeps_the_champion(values):
    assert not judged(values, values).promote


@settings(deadline=None)
@given(two_models())
def test_swapping_the_two_never_promotes_both(pair):
    one, other = pair
    assert not (judged(one, other).promote and judged(other, one).promote)


@settings(deadline=None)
@given(two_models(), st.randoms(use_true_random=False))
def test_the_interval_holds_the_mean_and_turns_round_when_the_two_are_swapped(pair, random):
    one, other = map(np.array, pair)
    groups = np.array([random.randrange(10) for _ in one])
    here, there = (paired_interval(sign * (one - other), groups, 0.9, 400, 1) for sign in (1, -1))
    assert here.lower <= here.mean <= here.upper
    assert np.allclose([here.lower, here.upper], [-there.upper, -there.lower], rtol=1e-6, atol=1e-6)


@settings(deadline=None)
@given(two_models(low=9), st.randoms(use_true_random=False))
def test_the_order_of_the_series_does_not_matter_to_what_is_compared(pair, random):
    order = list(range(len(pair[0])))
    random.shuffle(order)
    here, there = judged(*pair), judged(*([each[i] for i in order] for each in pair))
    rounding = 1e-12 * max(map(max, pair))  # of sums in another order, which may cancel to 0
    difference = "holdout_mase_difference"
    assert here.figures[difference] == pytest.approx(there.figures[difference], abs=rounding)


def test_series_that_one_model_could_not_score_count_for_neither():
    decision = judged([*[1.0] * 9, np.nan], [*[0.5] * 9, 99.0])
    assert decision.promote
    assert decision.figures["holdout_series"] == 9


@pytest.mark.parametrize(("n", "fewest", "groups"), [(7, 1, None), (20, 30, None), (40, 30, 3)])
def test_with_too_little_to_judge_by_the_challenger_is_refused(n, fewest, groups):
    numbers = np.arange(n) if groups is None else np.arange(n) % groups
    decision = judged([2.0] * n, [1.0] * n, fewest=fewest, groups=numbers)
    assert decision.outcome == "refused"
    assert f"{n} of {n} series" in decision.reason
    assert f"in {len(set(numbers.tolist()))} independent groups" in decision.reason


def test_a_model_that_cannot_be_scored_at_all_is_refused():
    assert judged(None, [np.nan, np.nan]).outcome == "refused"


def test_errors_of_other_series_are_no_comparison():
    with pytest.raises(ValueError, match="champion scored"):
        judged([1.0, 2.0], [1.0])


def test_vacancies_of_one_employer_count_as_one():
    """An employer with many vacancies is one draw: what its texts have in common must not look like evidence."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), 50)
    difference = np.repeat(rng.normal(-0.02, 0.1, 10), 50) + rng.normal(0, 0.01, 500)
    alone = paired_interval(difference, np.arange(500), 0.95, 400, 0)
    together = paired_interval(difference, groups, 0.95, 400, 0)
    assert together.upper - together.lower > 3 * (alone.upper - alone.lower)


def test_the_interval_is_that_of_the_textbook_for_normal_differences():
    difference = np.random.default_rng(1).normal(size=400)
    found = paired_interval(difference, np.arange(400), 0.95, 4_000, 0)
    error = difference.std(ddof=1) / 20
    expected = [difference.mean() - 1.966 * error, difference.mean() + 1.966 * error]
    assert [found.lower, found.upper] == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize(("n", "spread"), [(8, 0.3), (8, 1.5), (40, 0.3), (40, 1.5)])
def test_noise_alone_is_promoted_at_most_at_the_stated_rate(n, spread):
    """Two equally good models, with light and with heavy tails: 2.5 % of 400 is 10, with three standard errors 20."""
    rng = np.random.default_rng(n)
    pairs = rng.lognormal(0, spread, size=(400, 2, n))
    promoted = sum(judged(*pair, PromotionPolicy(resamples=200)).promote for pair in pairs)
    assert promoted <= 20


def test_a_real_gain_is_found():
    rng = np.random.default_rng(2)
    found = [judged(e := rng.lognormal(0, 0.5, 40), e * rng.normal(0.9, 0.1, 40)).promote for _ in range(50)]
    assert sum(found) > 40


def test_the_sign_test_counts_the_flips():
    difference = -np.ones(8)
    assert sign_test(difference, np.arange(8), 4_000, 0) == pytest.approx(1 / 256, abs=0.004)
    assert sign_test(-difference, np.arange(8), 400, 0) == 1


@pytest.mark.parametrize("champion", [None, np.linspace(1, 2, 20)])
def test_the_picture_shows_the_comparison(champion):
    challenger, of = np.linspace(0.9, 2.1, 20), holdout(20, floor=3.0)
    png = io.BytesIO()
    comparison(champion, challenger, decide(champion, challenger, POLICY, of), of).savefig(png)
    assert png.getbuffer().nbytes > 10_000
