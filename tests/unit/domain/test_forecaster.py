import pickle

import numpy as np
import pytest
from panels import seasonal_panel

from xflow.domain import backtest, ensemble
from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.forecaster import Forecaster, fit_intervals
from xflow.domain.metrics import coverage
from xflow.domain.panel import Panel
from xflow.errors import ModelIncompatible

SETTING = Setting(seasonality=12, horizon=6, device="cpu")
SPECS = {"naive": ("seasonal_naive", {}), "xgb": ("global_xgb", {"trees": 30, "rows": 4000, "calendar": False})}
WEIGHTS = {"naive": 0.25, "xgb": 0.75}


def train(panel):
    folds = backtest.plan_folds(panel.lengths, 6, 3, 25)
    built = {name: build_candidate(*spec, SETTING) for name, spec in SPECS.items()}
    oof = {n: backtest.run(lambda s=spec: build_candidate(*s, SETTING), panel, folds).oof for n, spec in SPECS.items()}
    intervals = fit_intervals(panel, folds, ensemble.blend(oof, WEIGHTS), (0.8, 0.95), 12)
    return Forecaster.fit(panel, {n: (WEIGHTS[n], built[n]) for n in SPECS}, intervals, 12, 6)


@pytest.fixture(scope="module")
def panel():
    return seasonal_panel(n=40)


@pytest.fixture(scope="module")
def model(panel):
    return train(panel.head(6))


def test_the_mean_is_the_weighted_average_of_the_members(panel, model):
    expected = sum(weight * member.forecast(panel, 6) for weight, member in model.members.values())
    np.testing.assert_allclose(model.forecast(panel, 6).mean, expected)


def test_intervals_cover_unseen_values_about_as_often_as_they_say(panel, model):
    history, actual = panel.split_last(6)
    low80, high80, low95, high95 = model.forecast(history, 6).bounds
    assert 0.7 < coverage(actual, low80, high80) < 0.92
    assert coverage(actual, low95, high95) > 0.9


def test_it_survives_pickling_and_forecasts_series_it_has_never_seen(model):
    other = seasonal_panel(n=5, seed=9)
    again = pickle.loads(pickle.dumps(model)).forecast(other, 18)
    np.testing.assert_array_equal(again.mean, model.forecast(other, 18).mean)
    assert all(np.isfinite(bound).all() and bound.shape == (5, 18) for bound in again.bounds)


def test_nothing_below_zero_when_no_trained_value_was(model):
    falling = Panel.from_series("M", ["a"], [600], [np.linspace(1000, 0, 60)])
    made = model.forecast(falling, 6)
    assert min(made.mean.min(), *(bound.min() for bound in made.bounds)) == 0


def test_negative_values_stay_possible_when_trained_on_some():
    panel = seasonal_panel(n=4)
    shifted = Panel(panel.freq, panel.ids, panel.starts, panel.offsets, panel.values - 1e4)
    assert (train(shifted).forecast(shifted, 6).mean < 0).any()


def test_another_frequency_is_refused(model):
    daily = Panel.from_series("D", ["a"], [600], [np.ones(60)])
    with pytest.raises(ModelIncompatible, match="trained for frequency M"):
        model.forecast(daily, 6)
