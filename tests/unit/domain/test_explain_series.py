"""What a forecast is made of, and that it adds up."""

from dataclasses import replace

import numpy as np
import pytest
from panels import seasonal_panel

from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.explain import explain, meaning
from xflow.domain.forecaster import Forecaster
from xflow.domain.global_xgb import GlobalXGB
from xflow.domain.intervals import Conformal
from xflow.domain.panel import Panel

SETTING = Setting(seasonality=12, horizon=6, device="cpu")
XGB = {"trees": 30, "rows": 4000, "bags": 2}
SPECS = {"naive": (0.25, "seasonal_naive", {}), "xgb": (0.75, "global_xgb", XGB)}


def fitted(panel, specs=SPECS):
    members = {name: (weight, build_candidate(kind, params, SETTING)) for name, (weight, kind, params) in specs.items()}
    return Forecaster.fit(panel, members, Conformal((0.8, 0.95), np.array([[0.5] * 6, [1.0] * 6])), 12, 6)


@pytest.fixture(scope="module")
def panel():
    return seasonal_panel(n=15)


@pytest.fixture(scope="module")
def model(panel):
    return fitted(panel.head(6))


@pytest.mark.parametrize("step", [1, 6, 14])
def test_components_and_members_sum_to_the_forecast(panel, model, step):
    for i in (0, 8):
        one = panel.select(np.array([i]))
        made = model.forecast(panel, 14)
        found = explain(model, one, step, 14)
        assert found.forecast == pytest.approx(made.mean[i, step - 1], rel=1e-6)
        assert found.bounds == pytest.approx([bound[i, step - 1] for bound in made.bounds], rel=1e-6)
        assert sum(found.components.values()) == pytest.approx(found.forecast, rel=1e-9)
        assert sum(member.weight * member.forecast for member in found.members) == pytest.approx(found.forecast)
        assert found.sums_hold


def test_the_floor_is_the_value_of_the_last_season(panel, model):
    one = panel.select(np.array([3]))
    found = explain(model, one, 4, 6)
    values = one.series(0)
    assert found.floor == values[-12 + 3]
    assert found.components["level"] == pytest.approx(values[-12:].mean())
    assert found.components["trend"] == pytest.approx(values[-12:].mean() - values[-24:-12].mean())
    naive = next(member for member in found.members if member.name == "naive")
    assert naive.forecast == pytest.approx(found.floor)


def test_shap_values_sum_to_the_forecast_of_the_global_model(panel, model):
    found = explain(model, panel.select(np.array([5])), 2, 6)
    xgb = found.members[0]
    assert (xgb.name, len(xgb.features)) == ("xgb", len(model.members["xgb"][1].model.feature_names(panel)))
    total = xgb.base + sum(feature.contribution for feature in xgb.features)
    assert total == pytest.approx(xgb.forecast, rel=1e-5)
    sizes = [abs(feature.contribution) for feature in xgb.features]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 0
    assert all(feature.meaning != feature.name for feature in xgb.features)


def test_a_broken_sum_is_seen(panel, model, monkeypatch):
    whole = GlobalXGB.contributions

    def wrong(self, panel, step):
        account, values = whole(self, panel, step)
        return replace(account, base=account.base * 1.01), values

    monkeypatch.setattr(GlobalXGB, "contributions", wrong)
    assert not explain(model, panel.select(np.array([0])), 1, 6).sums_hold


def test_a_forecast_raised_to_zero_says_so():
    falling = Panel.from_series("M", ["f"], [600], [np.linspace(100, 0, 40)])
    model = fitted(falling, {"theta": (1.0, "theta", {})})
    found = explain(model, falling, 6, 6)
    assert found.forecast == 0
    assert found.components["cut"] > 0
    assert sum(found.components.values()) == pytest.approx(0, abs=1e-9)
    assert found.sums_hold


@pytest.mark.parametrize("length", [1, 5, 12, 20])
def test_short_series_are_explained(length):
    short = Panel.from_series("M", ["short"], [600], [np.arange(1.0, length + 1)])
    found = explain(fitted(short, {"naive": (1.0, "seasonal_naive", {})}), short, 3, 6)
    assert found.components["models"] == pytest.approx(-found.components["trend"])
    assert found.sums_hold


def test_features_are_told_in_words():
    assert meaning("lag_0") == "the last value"
    assert meaning("shape_12_2") == "seasonal shape at the target, 2 seasons of 12 back"
    assert meaning("price_target") == "price at the target"
    assert meaning("unheard") == "unheard"
