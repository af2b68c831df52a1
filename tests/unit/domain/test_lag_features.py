import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from panels import panels, with_series

from xflow.domain.lag_features import LagFeatures, Rows
from xflow.domain.panel import Panel
from xflow.domain.windows import Windows

FEATURES = LagFeatures(seasons=(4, 8), lags=3, cycles=2, calendar=True)


def described(panel, rows):
    return FEATURES.describe(panel, Windows(panel), rows)


def every_row(panel, horizon=5):
    parts = [(i, t, h) for i in range(panel.n_series) for t in range(panel.lengths[i]) for h in range(1, horizon + 1)]
    return Rows(*np.array(parts).T)


@given(panels(longest=30), st.data())
def test_changing_the_future_changes_nothing_before_it(panel, data):
    i = data.draw(st.integers(0, panel.n_series - 1))
    origin = data.draw(st.integers(0, panel.lengths[i] - 1))
    values = panel.series(i).copy()
    values[origin + 1 :] = np.random.default_rng(1).normal(0, 1e6, len(values) - origin - 1)
    changed = with_series(panel, i, values)
    rows = every_row(panel)
    rows = rows.where((rows.series != i) | (rows.origin <= origin))
    before, after = described(panel, rows), described(changed, rows)
    for name in ("features", "base", "level"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))


@given(panels(longest=30), st.data())
def test_a_row_does_not_depend_on_the_other_series(panel, data):
    order = np.array(data.draw(st.permutations(range(panel.n_series))))
    rows = every_row(panel)
    moved = Rows(np.argsort(order)[rows.series], rows.origin, rows.step)
    before, after = described(panel, rows), described(panel.select(order), moved)
    np.testing.assert_array_equal(before.features, after.features)
    np.testing.assert_array_equal(before.base, after.base)


def test_features_are_free_of_units():
    values = np.random.default_rng(0).uniform(1, 2, 40)
    one, thousand = (Panel.from_series("M", ["a"], [500], [values * unit]) for unit in (1, 1000))
    rows = every_row(one)
    np.testing.assert_allclose(described(one, rows).features, described(thousand, rows).features, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(described(one, rows).base * 1000, described(thousand, rows).base)


def test_the_base_of_a_purely_seasonal_series_is_its_future():
    season = np.array([3.0, 9.0, 1.0, 7.0])
    panel = Panel.from_series("M", ["a"], [500], [np.tile(season, 5)])
    rows = Rows(np.zeros(6, int), np.full(6, 17), np.arange(1, 7))
    np.testing.assert_allclose(described(panel, rows).base, np.tile(season, 6)[18:24])


def test_named_features_hold_what_they_say():
    panel = Panel.from_series("M", ["a"], [11], [np.arange(1.0, 13.0)])  # ends in December 1970
    rows = Rows(np.array([0]), np.array([9]), np.array([2]))
    found = dict(zip(FEATURES.names(panel), described(panel, rows).features[0]))
    level = np.mean([3, 4, 5, 6, 7, 8, 9, 10])
    assert found["step"] == 2
    assert found["length"] == 10
    assert found["month"] == 12
    assert found["lag_2"] == pytest.approx(8 / level)
    assert found["change_0"] == pytest.approx(4 / level)
    assert found["mean_4"] == pytest.approx(8.5 / level)
    assert found["shape_4_1"] == pytest.approx((8 - 8.5) / 8.5)
    assert np.isnan(found["shape_8_2"])


def test_the_end_of_a_series_does_not_change_the_rounding_of_the_next_ones_features():
    """Differences over a season reach back into the series before: by 1e9 here, and by 3e9."""
    small = np.random.default_rng(3).normal(0, 1e-3, 40)
    described = []
    for end in (1e9, 3e9):
        panel = Panel.from_series("M", ["large", "small"], [600, 600], [np.append(np.ones(30), end), small])
        windows, place = Windows(panel), np.arange(24, 40)
        described.append(windows.mean_change(np.ones_like(place), place, place - 11, 12))
    np.testing.assert_array_equal(*described)
