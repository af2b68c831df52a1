import pickle
from dataclasses import replace

import numpy as np
import pytest
from panels import seasonal_panel, with_series

from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.panel import Panel
from xflow.errors import ConfigInvalid, ModelIncompatible

SETTING = Setting(seasonality=12, horizon=12, seed=3, device="cpu")
SMALL = {"trees": 60, "rows": 6000, "calendar": False}


@pytest.fixture(scope="module")
def panel():
    return seasonal_panel()


@pytest.fixture(scope="module")
def model(panel):
    return build_candidate("global_xgb", SMALL, SETTING).fit(panel)


def test_it_learns_the_growth_that_the_seasonal_naive_misses(panel):
    history, actual = panel.split_last(12)
    made = build_candidate("global_xgb", SMALL, SETTING).fit(history).forecast(history, 12)
    naive = np.stack([history.series(i)[-12:] for i in range(history.n_series)])
    error, floor = (np.abs(f - actual).mean(axis=1) for f in (made, naive))
    assert (error < 0.75 * floor).all()


@pytest.mark.parametrize("rows", [500, 10**6])  # the sample and the trees each follow the seed
def test_the_same_seed_gives_the_same_forecast_and_another_one_does_not(panel, rows):
    def forecast(seed):
        setting = Setting(seasonality=12, horizon=12, seed=seed, device="cpu")
        return build_candidate("global_xgb", {**SMALL, "rows": rows}, setting).fit(panel).forecast(panel, 12)

    np.testing.assert_array_equal(forecast(3), forecast(3))
    assert not np.array_equal(forecast(3), forecast(4))


def test_order_and_company_do_not_change_a_series_forecast(panel, model):
    whole = model.forecast(panel, 12)
    order = np.random.default_rng(0).permutation(panel.n_series)
    np.testing.assert_array_equal(model.forecast(panel.select(order), 12), whole[order])
    np.testing.assert_array_equal(model.forecast(panel.select(np.array([4])), 12)[0], whole[4])


def test_a_forecast_from_an_earlier_origin_ignores_what_came_later(panel, model):
    changed = with_series(panel, 1, np.append(panel.series(1)[:-5], np.full(5, 1e9)))
    np.testing.assert_array_equal(model.forecast(panel.head(5), 12), model.forecast(changed.head(5), 12))


def test_pickling_keeps_the_forecast(panel, model):
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).forecast(panel, 12), model.forecast(panel, 12))


def test_short_constant_and_zero_histories_and_long_horizons_stay_finite(model):
    odd = [
        np.array([4.0]),
        np.array([4.0, 6.0]),
        np.arange(1.0, 10),
        np.zeros(30),
        np.full(30, 7.0),
        -np.arange(1.0, 40),
    ]
    panel = Panel.from_series("M", map(str, range(len(odd))), [600] * len(odd), odd)
    made = model.forecast(panel, 40)
    assert np.isfinite(made).all()
    assert (made[3] == 0).all()
    np.testing.assert_allclose(made[4], 7, rtol=0.2)


def test_more_rows_than_the_cap_are_sampled(panel):
    capped = build_candidate("global_xgb", {**SMALL, "rows": 500}, SETTING)
    everything = build_candidate("global_xgb", {**SMALL, "rows": 10**6}, SETTING)
    rng = np.random.default_rng(0)
    assert len(capped.model._sample(panel, rng).series) <= 500
    rows = everything.model._sample(panel, rng)
    assert len(np.unique(np.stack([rows.series, rows.origin, rows.step]), axis=1).T) == len(rows.series)
    assert (rows.origin + rows.step < panel.lengths[rows.series]).all()
    possible = sum(min(12, n - 1 - t) for n in panel.lengths for t in range(12, n - 1))
    assert len(rows.series) == possible


def driven(n=8, length=60, ahead=12):
    """Return series that follow an exogenous column step for step, known `ahead` steps."""
    rng = np.random.default_rng(5)
    x = rng.uniform(0, 1, (n, length + ahead))
    values = 10 + 20 * x[:, :length]
    offsets = np.arange(n + 1) * length
    ids, starts = np.array([f"s{i}" for i in range(n)], object), np.full(n, 500)
    known = np.arange(n + 1) * (length + ahead)
    return Panel("M", ids, starts, offsets, values.ravel(), ("x",), known, x.reshape(-1, 1)), 10 + 20 * x[:, length:]


def test_exogenous_values_known_ahead_are_used():
    panel, future = driven()
    made = build_candidate("global_xgb", {**SMALL, "trees": 200}, SETTING).fit(panel).forecast(panel, 12)
    spread = np.abs(future - future.mean()).mean()
    assert np.abs(made - future).mean() < 0.4 * spread


def test_a_series_whose_exogenous_values_are_absent_falls_back_alone(panel):
    known, _ = driven()
    model = build_candidate("global_xgb", SMALL, SETTING).fit(known)
    rows = np.where(np.arange(8) == 3, 60 + 11, 72)
    short = replace(
        known,
        exog_offsets=np.append(0, np.cumsum(rows)),
        exog=np.concatenate([known.exog[i * 72 : i * 72 + n] for i, n in enumerate(rows)]),
    )
    made = model.attempt(short, 12)
    assert made.failures == {3: "needs x 12 steps ahead, knows 11: add rows with these columns and no value"}
    np.testing.assert_array_equal(made.values[3], known.series(3)[-12:])
    others = np.arange(8) != 3
    np.testing.assert_array_equal(made.values[others], model.forecast(known, 12)[others])
    with pytest.raises(ModelIncompatible, match="trained with the columns"):
        model.forecast(panel, 12)


def test_nothing_to_learn_from_is_an_error():
    short = Panel.from_series("M", ["a"], [600], [np.arange(12.0)])
    with pytest.raises(ConfigInvalid, match="bring more history"):
        build_candidate("global_xgb", SMALL, SETTING).fit(short)
