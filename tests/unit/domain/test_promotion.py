"""The verdict on a challenger."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xflow.domain.promotion import decide

errors = st.lists(st.floats(0, 1e6), min_size=1, max_size=20)


def test_first_model_is_promoted():
    decision = decide(None, np.array([1.0, 3.0]), "mase")
    assert decision.promote
    assert decision.figures["holdout_mase_challenger"] == 2.0


def test_lower_mean_error_is_promoted_and_the_reason_has_the_figures():
    decision = decide(np.array([1.0, 2.0]), np.array([1.0, 1.0]), "mase")
    assert decision.promote
    assert "1.0000" in decision.reason
    assert "1.5000" in decision.reason


@given(errors)
def test_tie_keeps_the_champion(values):
    assert not decide(np.array(values), np.array(values), "mase").promote


@given(st.integers(1, 20).flatmap(lambda n: st.tuples(*[st.lists(st.floats(0, 1e6), min_size=n, max_size=n)] * 2)))
def test_swapping_the_two_never_promotes_both(pair):
    one, other = map(np.array, pair)
    assert not (decide(one, other, "mase").promote and decide(other, one, "mase").promote)


def test_series_that_one_model_could_not_score_count_for_neither():
    decision = decide(np.array([1.0, np.nan]), np.array([0.5, 99.0]), "mase")
    assert decision.promote
    assert decision.figures["holdout_series"] == 1


def test_with_too_little_in_common_the_champion_stays():
    decision = decide(np.array([np.nan, 1.0, 1.0]), np.array([1.0, np.nan, 0.5]), "mase", fewest=2)
    assert not decision.promote
    assert decision.reason == "the champion stays: 1 of 3 series of the holdout can judge both models, 2 are needed"
    assert not decide(np.array([np.nan, 1.0]), np.array([1.0, np.nan]), "mase").promote
