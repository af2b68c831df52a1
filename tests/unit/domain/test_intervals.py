import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xflow.domain.forecaster import Forecaster
from xflow.domain.intervals import Conformal, series_scale
from xflow.domain.metrics import coverage
from xflow.domain.panel import Panel
from xflow.domain.series_guard import Attempt

LEVELS = (0.8, 0.95)


def test_new_residuals_of_the_same_kind_are_covered_as_promised():
    rng = np.random.default_rng(0)
    spread = np.linspace(1, 4, 6)
    widths = Conformal.fit(rng.standard_t(4, (3000, 6)) * spread, LEVELS)
    actual = rng.standard_t(4, (20000, 6)) * spread
    bounds = widths.bounds(np.zeros_like(actual), np.ones(len(actual)))
    for step in range(6):
        for k, level in enumerate(LEVELS):
            found = coverage(actual[:, step], bounds[2 * k][:, step], bounds[2 * k + 1][:, step])
            assert found == pytest.approx(level, abs=0.03)


@given(st.integers(1, 40), st.integers(1, 10), st.integers(0, 2**32 - 1))
def test_intervals_hold_the_mean_and_one_another(count, horizon, seed):
    rng = np.random.default_rng(seed)
    mean, scale = rng.normal(size=(3, 15)), rng.uniform(0, 5, 3)
    low80, high80, low95, high95 = Conformal.fit(rng.normal(size=(count, horizon)), LEVELS).bounds(mean, scale)
    assert (low95 <= low80).all()
    assert (low80 <= mean).all()
    assert (mean <= high80).all()
    assert (high80 <= high95).all()


def test_the_rank_is_the_conformal_one_and_levels_keep_their_order():
    residuals = np.arange(1.0, 301.0)[:, None] * np.array([1, -1])
    fitted = Conformal.fit(residuals, (0.95, 0.8))
    assert fitted.widths.tolist() == [[286.0, 286.0], [241.0, 241.0]]  # ceil(301 * level)


def test_widths_scale_with_the_series_and_grow_past_the_fitted_horizon():
    fitted = Conformal.fit(np.ones((300, 4)), (0.8,))
    low, high = fitted.bounds(np.zeros((2, 16)), np.array([1.0, 10.0]))
    assert (high[1] == 10 * high[0]).all()
    assert (low == -high).all()
    assert high[0, [0, 3, 15]].tolist() == [1.0, 1.0, 2.0]


def test_scale_falls_back_to_single_steps_and_is_0_for_constant_series():
    panel = Panel.from_series("M", ["short", "flat", "one"], [9] * 3, [np.array([1.0, 3, 7]), np.ones(30), np.ones(1)])
    assert series_scale(panel, 12).tolist() == [3.0, 0.0, 0.0]


def test_without_residuals_there_are_no_intervals():
    with pytest.raises(ValueError, match="no finite out-of-fold residual"):
        Conformal.fit(np.full((3, 4), np.nan), LEVELS)


@pytest.mark.parametrize("value", [0.0, 5.0, -3.0])
@pytest.mark.parametrize("length", [1, 2, 30])
def test_the_intervals_of_a_constant_series_hold_its_value(value: float, length: int) -> None:
    intervals = Conformal(LEVELS, np.ones((2, 3)))
    members = {"drift": (1.0, _Lower())}
    model = Forecaster("M", 12, 3, (), members, intervals, learned={})
    constant = Panel.from_series("M", ["c", "v"], [700, 700], [np.full(length, value), np.arange(30.0)])
    made = model.forecast(constant, 3)
    for lower, upper in zip(made.bounds[::2], made.bounds[1::2], strict=True):
        # What never was below 0 is not forecast there.
        assert lower[0].tolist() == [value - 0.5 if value else 0.0] * 3
        assert upper[0].tolist() == [value] * 3
        assert (upper[1] - lower[1] == 2 * 12).all(), "the other series' widths are its scale's"


class _Lower:
    """Forecasts half a unit below the last value."""

    def attempt(self, panel: Panel, horizon: int) -> Attempt:
        last = panel.values[panel.offsets[1:] - 1]
        return Attempt((last - 0.5)[:, None].repeat(horizon, axis=1), {})
