"""One series that a model fails on gets a simple forecast, and the others their own; units do not matter."""

from types import SimpleNamespace

import numpy as np
import pytest
from panels import seasonal_panel

from xflow.domain import backtest
from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.forecaster import Forecaster, enough
from xflow.domain.intervals import Conformal
from xflow.domain.panel import Panel
from xflow.domain.series_guard import REACH, Attempt, Guarded, simple
from xflow.errors import ModelFailed

SETTING = Setting(seasonality=12, horizon=6, seed=3, device="cpu")
XGB = {"trees": 60, "rows": 6000, "calendar": False, "min_child_weight": 1.0}
KINDS = [
    ("seasonal_naive", {}),
    ("theta", {}),
    ("ets", {"model": "ANA", "log": True}),
    ("ets", {"model": "ZZZ", "log": True}),
    ("ets", {"model": "MAM"}),
    ("ets", {}),
    ("arima", {"seasonal": False}),
    ("global_xgb", XGB),
]


def panel_of(*series, ends=600):
    return Panel.from_series("M", [f"s{i}" for i in range(len(series))], [ends] * len(series), list(series))


def scaled(panel, factor):
    return Panel(panel.freq, panel.ids, panel.starts, panel.offsets, panel.values * factor)


def intermittent():
    """Return 40 series of spare parts: next to nothing in most months, some hundreds now and then."""
    rng, series = np.random.default_rng(11), []
    for k in range(240):
        n, little = int(rng.integers(26, 80)), [0.0005, 0.001, 0.01, 0.0, 1e-6][k % 5]
        series.append(np.where(rng.random(n) < [0.1, 0.2, 0.35, 0.5][k % 4], rng.gamma(1.5, 200, n), little))
    return panel_of(*series[::6])


@pytest.mark.parametrize(("kind", "params"), KINDS)
@pytest.mark.parametrize("factor", [1e6, 1e-6])
def test_a_multiple_of_a_series_has_that_multiple_of_the_forecast(kind, params, factor):
    panel = seasonal_panel(n=4, longest=60)
    multiple = scaled(panel, factor)
    made, other = (build_candidate(kind, params, SETTING).fit(p).attempt(p, 18) for p in (panel, multiple))
    assert not made.failures
    np.testing.assert_allclose(other.values, factor * made.values, rtol=1e-6)


def test_a_model_that_was_fitted_on_other_units_forecasts_a_multiple_alike():
    panel = seasonal_panel(n=6, longest=72)
    model = build_candidate("global_xgb", XGB, SETTING).fit(panel)
    np.testing.assert_allclose(model.forecast(scaled(panel, 1e6), 6), 1e6 * model.forecast(panel, 6), rtol=1e-6)


def test_one_zero_stops_a_multiplicative_model_for_its_series_alone():
    panel = seasonal_panel(n=9, longest=60)
    values = panel.values.copy()
    values[panel.offsets[4] + 20] = 0.0
    broken = Panel(panel.freq, panel.ids, panel.starts, panel.offsets, values)
    model = build_candidate("ets", {"model": "MAM"}, SETTING)
    whole, made = model.attempt(panel, 6), model.attempt(broken, 6)
    assert not whole.failures
    assert list(made.failures) == [4]
    assert made.failures[4].startswith("failed on it (ValueError: ")
    np.testing.assert_array_equal(made.values[4], broken.series(4)[-12:-6])
    others = np.arange(9) != 4
    np.testing.assert_allclose(made.values[others], whole.values[others], rtol=1e-9)


@pytest.mark.parametrize("kind", ["ets", "theta"])
def test_forecasts_of_intermittent_series_stay_near_what_they_were(kind):
    panel = intermittent()
    made = build_candidate(kind, {}, SETTING).attempt(panel, 12)
    largest = np.maximum.reduceat(panel.values, panel.offsets[:-1])
    assert (made.values <= 10 * largest[:, None]).all()
    assert (made.values >= 0).all()
    assert len(made.failures) < panel.n_series / 4


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e9, -1e9])
def test_a_forecast_that_cannot_be_meant_is_replaced_for_its_series_alone(wrong):
    panel = panel_of(np.arange(1.0, 40), np.full(5, 3.0), np.arange(30.0))

    def attempt(known, horizon):
        values = known.values[known.offsets[1:] - 1][:, None].repeat(horizon, axis=1)
        values[1:, -1] = wrong
        return Attempt(values, {})

    model = Guarded(SimpleNamespace(attempt=attempt), "wild", 12)
    made = model.attempt(panel, 4)
    assert sorted(made.failures) == [1, 2]
    assert all(
        "no finite forecast" in why if not np.isfinite(wrong) else "forecast 1e+09" in why.replace("-", "")
        for why in made.failures.values()
    )
    assert made.values.tolist() == [[39.0] * 4, [3.0] * 4, [18.0, 19, 20, 21]]


def test_a_steady_way_up_or_down_is_no_explosion():
    steps = np.arange(1.0, 49)
    panel = panel_of(100 * 1.03**steps, 5 * steps, 1000 - 30 * steps)
    for kind, params in (("theta", {}), ("ets", {"model": "AAN"}), ("ets", {"model": "AAA", "log": True})):
        assert not build_candidate(kind, params, SETTING).attempt(panel, 24).failures, kind


def test_the_reach_of_a_forecast_is_stated():
    panel = panel_of(np.array([-2.0, 3.0, 1.0]))
    near, far = 3 + REACH * 5, 3 + REACH * 5 + 0.01
    for value, replaced in ((near, False), (far, True)):
        model = SimpleNamespace(attempt=lambda _, horizon, v=value: Attempt(np.full((1, horizon), v), {}))
        assert bool(Guarded(model, "m", 1).attempt(panel, 3).failures) is replaced


def test_bounds_at_zero_belong_to_the_series():
    rng = np.random.default_rng(0)
    panel = panel_of(rng.normal(0, 20, 60), np.abs(rng.normal(0, 20, 60)), np.linspace(50, 0, 60), ends=600)
    assert panel.series(0).min() < -30
    members = {
        "theta": (0.5, build_candidate("theta", {}, SETTING)),
        "naive": (0.5, build_candidate("seasonal_naive", {}, SETTING)),
    }
    for learned in (panel, panel.select(np.array([1, 2]))):  # the series below 0 in the training, and new to the model
        model = Forecaster.fit(learned, members, Conformal((0.8, 0.95), np.full((2, 6), [[1.0], [3.0]])), 12, 6)
        made = model.forecast(panel, 12)
        assert made.mean[0].min() < 0
        assert made.bounds[2][0].min() < -40
        for each in (made.mean, *made.bounds):
            assert (each[1:] >= 0).all()
        low80, high80, low95, high95 = made.bounds
        assert (low95 <= low80).all()
        assert (low80 <= made.mean).all()
        assert (made.mean <= high80).all()
        assert (high80 <= high95).all()


def test_the_notes_say_which_series_fell_back_and_why():
    panel = seasonal_panel(n=6, longest=60)
    values = panel.values.copy()
    values[panel.offsets[2]] = 0.0
    broken = Panel(panel.freq, panel.ids, panel.starts, panel.offsets, values)
    ets = ("ets", build_candidate("ets", {"model": "MAM"}, SETTING))
    intervals = Conformal((0.8,), np.ones((1, 6)))
    alone = Forecaster.fit(panel.select(np.arange(5)), {ets[0]: (1.0, ets[1])}, intervals, 12, 6).forecast(broken, 6)
    assert sorted(alone.notes) == [2, 5]
    assert alone.notes[2].startswith("fallback to last season: ets failed on it (ValueError")
    assert alone.notes[5] == "unseen: the model was not trained on this series"
    assert alone.fell_back == {2}
    members = {"ets": (0.25, ets[1]), "naive": (0.75, build_candidate("seasonal_naive", {}, SETTING))}
    blend = Forecaster.fit(panel, members, intervals, 12, 6).forecast(broken, 6)
    assert blend.notes[2].startswith("fallback to last season: 25% of it ets failed on it (ValueError")


def test_after_a_gap_too_little_history_is_carried_on_and_told():
    rng = np.random.default_rng(1)
    short, long = rng.normal(100, 5, 20), rng.normal(100, 5, enough(12))
    panel = panel_of(short, long, rng.normal(100, 5, 20))
    cut = Panel(panel.freq, panel.ids, panel.starts, panel.offsets, panel.values, gaps=np.array([3, 2, 0]))
    members = {"theta": (1.0, build_candidate("theta", {}, SETTING))}
    model = Forecaster.fit(panel, members, Conformal((0.8,), np.ones((1, 6))), 12, 6)
    made, whole = model.forecast(cut, 6), model.forecast(panel, 6)
    # The series ends at January 2020 (600), has 20 values and a gap of 3 steps before them.
    assert made.notes == {
        0: "fallback to last season: history before a gap at 2018-03-01 left out, and 20 of 25 values remain",
        1: "history before a gap at 2017-11-01 left out",
    }
    assert made.fell_back == {0}
    np.testing.assert_array_equal(made.mean[0], short[-12:-6])
    np.testing.assert_array_equal(made.mean[1:], whole.mean[1:])


def test_a_candidate_without_one_forecast_of_its_own_is_refused():
    panel = seasonal_panel(n=8, longest=60)
    values = panel.values.copy()
    values[panel.offsets[:-1]] = 0.0  # where no part of a model can be multiplicative
    panel = Panel(panel.freq, panel.ids, panel.starts, panel.offsets, values)
    folds = backtest.plan_folds(panel.lengths, 6, 2, 25)
    with pytest.raises(ModelFailed, match=r"no forecast of its own for any of 8 series, such as s00, .*: ets failed"):
        backtest.run(lambda: build_candidate("ets", {"model": "MAM"}, SETTING), panel, folds)


def test_fallbacks_count_in_the_backtest():
    panel = seasonal_panel(n=8, longest=60)
    values = panel.values.copy()
    values[panel.offsets[5]] = 0.0
    broken = Panel(panel.freq, panel.ids, panel.starts, panel.offsets, values)
    folds = backtest.plan_folds(panel.lengths, 6, 2, 25)
    made = backtest.run(lambda: build_candidate("ets", {"model": "MAM"}, SETTING), broken, folds)
    naive = backtest.run(lambda: build_candidate("seasonal_naive", {}, SETTING), broken, folds)
    assert (made.fell_back, naive.fell_back) == (2, 0)
    np.testing.assert_array_equal(made.oof[:, 5], naive.oof[:, 5])
    assert (made.oof[:, :5] != naive.oof[:, :5]).any()


def test_what_a_package_raises_on_the_fit_names_candidate_and_series():
    def fit(panel):
        raise RuntimeError("depth must be\npositive")

    with pytest.raises(ModelFailed, match="xgb cannot be fitted on 1 series, such as s0: RuntimeError: depth"):
        Guarded(SimpleNamespace(fit=fit), "xgb", 12).fit(panel_of(np.arange(5.0)))


def test_a_fault_of_the_installation_is_no_failure_of_a_series():
    def attempt(panel, horizon):
        raise ImportError("etna is not installed")

    with pytest.raises(ImportError):
        Guarded(SimpleNamespace(attempt=attempt), "ets", 12).attempt(panel_of(np.arange(5.0)), 3)


def test_the_simple_forecast_repeats_the_last_season_or_the_last_value():
    panel = panel_of(np.arange(15.0), np.arange(11.0), np.array([7.0]))
    made = simple(panel, 14, 12)
    assert made[0].tolist() == [*range(3, 15), 3, 4]
    assert made[1:].tolist() == [[10.0] * 14, [7.0] * 14]
