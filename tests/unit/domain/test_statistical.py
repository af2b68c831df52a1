import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from panels import panels, seasonal_panel

from xflow.domain import statistical
from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.panel import Panel
from xflow.errors import ConfigInvalid

SETTING = Setting(seasonality=12, horizon=6)
KINDS = [
    ("seasonal_naive", {}),
    ("theta", {"model": "OTM"}),
    ("ets", {"model": "ANA", "log": True}),
    ("ets", {"model": "ZZZ"}),
]


def forecast(kind, params, panel, horizon=6):
    return build_candidate(kind, params, SETTING).fit(panel).forecast(panel, horizon)


@settings(max_examples=15, deadline=None)
@given(panels(), st.integers(1, 30))
def test_seasonal_naive_repeats_the_last_season_or_else_the_last_value(panel, horizon):
    made = forecast("seasonal_naive", {}, panel, horizon)
    for i in range(panel.n_series):
        last = panel.series(i)[-12:] if panel.lengths[i] >= 12 else panel.series(i)[-1:]
        np.testing.assert_allclose(made[i], np.resize(last, horizon), rtol=1e-12)


@pytest.mark.parametrize(("kind", "params"), KINDS)
def test_odd_series_still_get_finite_forecasts(kind, params):
    rng = np.random.default_rng(0)
    season = 10 + np.tile(np.arange(12.0), 4)
    odd = {
        "one value": np.array([5.0]),
        "two values": np.array([5.0, 7.0]),
        "less than a season": rng.uniform(1, 9, 10),
        "less than two": rng.uniform(1, 9, 20),
        "constant": np.full(40, 3.0),
        "zeros": np.zeros(40),
        "zeros within": np.where(season > 15, season, 0),
        "purely seasonal": season,
        "negative": -season + rng.normal(size=48),
        "huge": season * 1e12 + rng.normal(size=48),
        "tiny": (season + rng.normal(size=48)) * 1e-9,
        "zeros at the end": np.concatenate([season, np.zeros(24)]),
    }
    panel = Panel.from_series("M", odd, [600] * len(odd), list(odd.values()))
    made = forecast(kind, params, panel, 30)
    assert made.shape == (len(odd), 30)
    assert np.isfinite(made).all()
    assert made[list(odd).index("constant")] == pytest.approx(np.full(30, 3.0))


@pytest.mark.parametrize(
    ("params", "seasonality"), [({}, 12), ({"model": "AAN", "damped": True}, 1), ({"model": "ANA"}, 2)]
)
def test_ets_forecasts_series_of_any_length(params, seasonality):
    lengths = range(1, 15)
    panel = Panel.from_series(
        "M",
        [str(n) for n in lengths],
        [600] * len(lengths),
        [np.random.default_rng(n).uniform(1, 9, n) for n in lengths],
    )
    assert np.isfinite(statistical.LocalModel("ets", params, seasonality).attempt(panel, 6).values).all()


@pytest.mark.parametrize(("kind", "params"), KINDS[1:3])
def test_a_series_forecast_depends_on_no_other_series(kind, params, monkeypatch):
    panel = seasonal_panel(n=7, longest=60)
    together = forecast(kind, params, panel)
    order = np.random.default_rng(0).permutation(7)
    monkeypatch.setattr(statistical, "CHUNK", 2)
    np.testing.assert_allclose(forecast(kind, params, panel.select(order)), together[order], rtol=1e-9)


def test_ets_and_theta_follow_trend_and_season():
    panel = seasonal_panel(n=4, longest=84, noise=0.5)
    history, actual = panel.split_last(6)
    naive = np.abs(forecast("seasonal_naive", {}, history) - actual).mean(axis=1)
    for kind, params in (("theta", {"model": "OTM"}), ("ets", {"model": "AAA"})):
        assert (np.abs(forecast(kind, params, history) - actual).mean(axis=1) < 0.7 * naive).all()


@pytest.mark.parametrize(("kind", "params"), [("prophet", {}), ("ets", {"seasons": 3}), ("global_xgb", {"leaves": 9})])
def test_an_unknown_kind_or_parameter_is_refused_at_once(kind, params):
    with pytest.raises(ConfigInvalid, match=kind):
        build_candidate(kind, params, SETTING)
