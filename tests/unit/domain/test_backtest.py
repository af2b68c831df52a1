import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from panels import panels, seasonal_panel, with_series

from xflow.domain import backtest
from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.series_guard import Attempt

XGB = {"trees": 20, "rows": 4000, "calendar": False}


class Last:
    """Carries the last value on."""

    def fit(self, panel):
        return self

    def attempt(self, panel, horizon):
        return Attempt(panel.values[panel.offsets[1:] - 1][:, None].repeat(horizon, axis=1), {})


@given(panels(), st.integers(1, 8), st.integers(1, 4), st.integers(0, 20))
def test_series_take_part_while_enough_history_is_left(panel, horizon, count, min_train):
    try:
        folds = backtest.plan_folds(panel.lengths, horizon, count, min_train)
    except ValueError:
        assert panel.lengths.max() < horizon + max(min_train, 1)
        return
    forecasts, actual = backtest.run(Last, panel, folds).oof, backtest.actuals(panel, folds)
    assert [fold.drop for fold in folds.folds] == sorted((fold.drop for fold in folds.folds), reverse=True)
    for k, fold in enumerate(folds.folds):
        for i in range(panel.n_series):
            values, origin = panel.series(i), panel.lengths[i] - fold.drop
            if origin >= max(min_train, 1):
                assert (forecasts[k, i] == values[origin - 1]).all()
                assert (actual[k, i] == values[origin : origin + horizon]).all()
            else:
                assert np.isnan(forecasts[k, i]).all()
                assert np.isnan(actual[k, i]).all()


@pytest.mark.parametrize(("kind", "params"), [("global_xgb", XGB), ("seasonal_naive", {})])
def test_no_forecast_of_a_fold_knows_what_came_after_its_origin(kind, params):
    panel = seasonal_panel(n=5, longest=80)
    folds = backtest.plan_folds(panel.lengths, 12, 2, 25)

    def oof(data):
        return backtest.run(lambda: build_candidate(kind, params, Setting(12, 12, device="cpu")), data, folds).oof

    values = panel.series(2).copy()
    values[-24:] *= 50
    old, new = oof(panel), oof(with_series(panel, 2, values))
    np.testing.assert_array_equal(old[0], new[0])
    assert not np.array_equal(old[1], new[1])


def test_too_short_series_are_named_with_what_to_do():
    with pytest.raises(ValueError, match="longest series has 9 values, one fold needs 30"):
        backtest.plan_folds(np.array([5, 9]), 5, 2, 25)
