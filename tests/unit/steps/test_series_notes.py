"""One series that goes wrong at predict: the others are forecast as ever, and the output says what became of it."""

import io
import json

import numpy as np
import pandas as pd
import pytest

from xflow.adapters.memory import MemoryFeatures, MemoryMart, MemoryStore
from xflow.adapters.memory_promotions import MemoryPromotions
from xflow.adapters.memory_registry import MemoryRegistry
from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.forecaster import Forecaster
from xflow.domain.intervals import Conformal
from xflow.domain.panel import Panel
from xflow.errors import ConfigInvalid, ModelIncompatible
from xflow.pipeline import Pipeline
from xflow.refs import ModelVersionRef, RunKey
from xflow.schema import series_tables
from xflow.steps.check_contract import check_contract
from xflow.steps.kinds import Champion
from xflow.steps.load_mart import load_mart
from xflow.steps.load_predictions import load_predictions
from xflow.steps.predict import predict
from xflow.steps.write_features import write_features

KEY = RunKey(pipeline="demo", kind="predict", run_id="one")
MONTHS, HORIZON = 60, 3
ETS = ("ets", {"model": "MAM"})
XGB = ("global_xgb", {"trees": 10, "lags": 4, "cycles": 1, "min_child_weight": 1.0})


def pipeline(exogenous=(), max_gap=0, origin="series_end"):
    naive = {"name": "naive", "kind": "seasonal_naive"}
    return Pipeline.model_validate(
        {
            "pipeline": "demo",
            "description": "Generated series.",
            "input": {"train": "in/", "predict": "in/", "exogenous": list(exogenous)},
            "contract": {"frequency": "M", "min_length": 36, "max_gap": max_gap, "max_rejected": 0.5},
            "model": {
                "seasonality": 12,
                "horizon": HORIZON,
                "floor": "naive",
                "origin": origin,
                "candidates": [naive],
            },
        }
    )


def frame(series=8, **columns):
    rng, times = np.random.default_rng(5), pd.date_range("2020-01-01", periods=MONTHS, freq="MS")
    t = np.arange(MONTHS)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "series_id": f"s{i}",
                    "timestamp": times,
                    "value": 100 + 10 * i + t + 8 * np.sin(t / 2) + rng.normal(0, 1, MONTHS),
                    **columns,
                }
            )
            for i in range(series)
        ],
        ignore_index=True,
    )


def fitted(kind, data, exogenous=()):
    panel = Panel.from_frame(data, "M", exogenous)
    model = build_candidate(*kind, Setting(12, HORIZON, device="cpu"))
    widths = Conformal((0.8, 0.95), np.array([[1.0] * HORIZON, [2.0] * HORIZON]))
    return Forecaster.fit(panel, {kind[0]: (1.0, model)}, widths, 12, HORIZON)


def predicted(config, model, data, monkeypatch, as_of=None, horizon=None):
    """Run the steps of a prediction over stores in memory; return its rows as a frame, and the ledger's row."""
    store, mart, features, registry = MemoryStore(), MemoryMart(), MemoryFeatures(), MemoryRegistry()
    mart.prepare("demo", series_tables(config.input.exogenous, config.model.levels))
    sink = io.BytesIO()
    data.to_parquet(sink, index=False)
    store.put("in/a.parquet", sink.getvalue())
    champion = Champion(ModelVersionRef(name="demo", version="1", mlflow_run_id="run"), model)
    monkeypatch.setattr("xflow.steps.predict.champions", lambda *_, **__: {"": champion})
    checked = check_contract(KEY, config, "in/", as_of, store=store, mart=mart)
    assert checked.rows_in == checked.rows_accepted + checked.rows_rejected
    load_mart(KEY, config, checked, store=store, mart=mart)
    made = write_features(KEY, config, checked, store=store, features=features)
    mart.note_run(KEY, {"metrics": {"drift_level": 0}})
    stores = {"store": store, "feature_store": features, "registry": registry, "ledger": MemoryPromotions()}
    written = predict(KEY, config, checked, made, horizon, "commit", **stores)
    load = load_predictions(KEY, config, written, store=store, mart=mart)
    manifest = json.loads(store.get(written.manifest))
    assert (manifest["rows"], manifest["figures"]) == (load.rows, written.figures)
    return pd.DataFrame(mart.rows[str(KEY), "demo_prediction"]), mart.run(KEY)


def notes(rows):
    return rows.groupby("series_id")["note"].first().dropna().to_dict()


def same(rows, others, names):
    for name in names:
        a, b = (each[each.series_id == name].drop(columns="prediction_id") for each in (rows, others))
        pd.testing.assert_frame_equal(a.reset_index(drop=True), b.reset_index(drop=True), check_exact=False, rtol=1e-9)


def test_a_zero_stops_no_other_series(monkeypatch):
    data = frame()
    model = fitted(ETS, data)
    zero = data.copy()
    zero.loc[(zero.series_id == "s3") & (zero.timestamp == "2022-03-01"), "value"] = 0.0
    whole, _ = predicted(pipeline(), model, data, monkeypatch)
    rows, run = predicted(pipeline(), model, zero, monkeypatch)
    assert notes(whole) == {}
    assert list(notes(rows)) == ["s3"]
    assert notes(rows)["s3"].startswith("fallback to last season: ets failed on it (ValueError")
    mine = zero[zero.series_id == "s3"].value.to_numpy()
    assert rows[rows.series_id == "s3"].forecast.tolist() == mine[-12:-9].tolist()
    same(rows.drop(columns="input_row_id"), whole.drop(columns="input_row_id"), [f"s{i}" for i in range(8) if i != 3])
    assert run["metrics"] == {"drift_level": 0, "series_fell_back": 1, "series_without_forecast": 0}
    for lower, upper in (("lower_80", "upper_80"), ("lower_95", "upper_95")):
        assert (rows[lower] <= rows.forecast).all()
        assert (rows.forecast <= rows[upper]).all()


def test_series_that_cannot_be_forecast_have_a_row_that_says_why(monkeypatch):
    data = frame()
    model = fitted(ETS, data[data.series_id != "s7"])
    data.loc[data.series_id == "s1", "timestamp"] += pd.Timedelta(days=2)
    data.loc[(data.series_id == "s2") & (data.timestamp < "2022-01-01"), "value"] = np.inf
    years_on = pd.date_range("2030-01-01", periods=MONTHS, freq="MS")
    late = data[data.series_id == "s4"].assign(series_id="late", timestamp=years_on)
    nameless = data[data.series_id == "s5"].assign(series_id=None)
    rows, run = predicted(pipeline(), model, pd.concat([data, late, nameless]), monkeypatch, as_of="2024-12-01")
    told = notes(rows)
    assert told == {
        "late": "no forecast: no value up to 2024-12-01T00:00:00",
        "s1": "no forecast: all its rows were rejected (off_grid)",
        "s7": "unseen: the model was not trained on this series",
    }
    none = rows[rows.forecast.isna()].sort_values("series_id")
    assert none.series_id.tolist() == ["late", "s1"]
    assert none.step.tolist() == [0, 0]
    assert none.timestamp.tolist() == [pd.Timestamp("2024-12-01")] * 2
    assert none[["lower_80", "upper_95"]].isna().all().all()
    assert none.input_row_id.tolist() == [480, 60]
    assert (run["rows_out"], len(rows)) == (7 * HORIZON + 2, 7 * HORIZON + 2)
    assert run["metrics"]["series_without_forecast"] == 2


@pytest.mark.parametrize("kind", [XGB, ETS])
def test_a_series_without_its_future_exogenous_values_falls_back_alone(monkeypatch, kind):
    data = frame(promo=1.0)
    ahead = pd.concat(
        pd.DataFrame(
            {
                "series_id": f"s{i}",
                "timestamp": pd.date_range("2025-01-01", periods=HORIZON, freq="MS"),
                "value": np.nan,
                "promo": 0.5,
            }
        )
        for i in range(8)
    )
    model, config = fitted(kind, data, ("promo",)), pipeline(("promo",))
    whole, _ = predicted(config, model, pd.concat([data, ahead]), monkeypatch)
    rows, run = predicted(config, model, pd.concat([data, ahead[ahead.series_id != "s6"]]), monkeypatch)
    fell_back = kind is XGB  # ets does not look at them
    assert notes(whole) == {}
    assert list(notes(rows)) == ["s6"] * fell_back
    assert run["metrics"]["series_fell_back"] == int(fell_back)
    if fell_back:
        assert "needs promo 3 steps ahead, knows 0" in notes(rows)["s6"]
        assert rows[rows.series_id == "s6"].forecast.tolist() == data[data.series_id == "s6"].value.tolist()[-12:-9]
    same(rows, whole, [f"s{i}" for i in range(8) if i != 6])
    if fell_back:
        with pytest.raises(
            ModelIncompatible, match=r"all 8 series, such as s0, .* know promo fewer than 3 steps ahead"
        ):
            predicted(config, model, data, monkeypatch)
    else:
        same(predicted(config, model, data, monkeypatch)[0], whole, ["s0", "s7"])


def test_history_before_a_gap_is_left_out_at_predict(monkeypatch):
    data = frame()
    model = fitted(ETS, data)
    missing = ((data.series_id == "s2") & data.timestamp.between("2021-05-01", "2021-07-01")) | (
        (data.series_id == "s5") & data.timestamp.between("2023-11-01", "2024-02-01")
    )
    whole, _ = predicted(pipeline(), model, data, monkeypatch)
    rows, run = predicted(pipeline(), model, data[~missing], monkeypatch)
    assert notes(rows) == {
        "s2": "history before a gap at 2021-05-01 left out",
        "s5": "fallback to last value: history before a gap at 2023-11-01 left out, and 10 of 25 values remain",
    }
    assert run["rows_rejected"] == 0
    assert run["metrics"]["series_fell_back"] == 1
    same(rows.drop(columns="input_row_id"), whole.drop(columns="input_row_id"), ["s0", "s1", "s3", "s4", "s6", "s7"])
    cut = data[(data.series_id != "s2") | (data.timestamp > "2021-07-01")]
    short, _ = predicted(pipeline(), model, cut, monkeypatch)
    same(rows.drop(columns=["note", "input_row_id"]), short.drop(columns=["note", "input_row_id"]), ["s2"])
    filled, _ = predicted(pipeline(max_gap=4), model, data[~missing], monkeypatch)
    assert notes(filled) == {}


def test_a_series_that_ended_long_before_the_origin_is_marked(monkeypatch):
    data = frame()
    model = fitted(ETS, data)
    ended = {"s2": "2024-10-01", "s5": "2024-09-01", "s6": "2022-12-01"}  # 2, 3 and 24 steps before as_of
    kept = data[data.timestamp <= data.series_id.map(ended).fillna("2024-12-01").astype("datetime64[ns]")]
    one_zero = kept.copy()
    one_zero.loc[(kept.series_id == "s6") & (kept.timestamp == "2021-01-01"), "value"] = 0.0
    rows, _ = predicted(pipeline(origin="as_of"), model, one_zero, monkeypatch)
    assert set(rows[rows.step == 1].timestamp) == {pd.Timestamp("2025-01-01")}
    told = notes(rows)
    far = "far ahead: {} steps lie between the last value and the origin, the model was judged on 3"
    assert told["s5"] == far.format(3)
    assert told["s6"].startswith("fallback to last season: ets failed on it")
    assert told["s6"].endswith(f"; {far.format(24)}")
    assert set(told) == {"s5", "s6"}
    assert notes(predicted(pipeline(), model, kept, monkeypatch)[0]) == {}


@pytest.mark.parametrize(
    ("origin", "as_of", "horizon"), [("series_end", None, 3000), ("as_of", "9999-01-01", None), ("as_of", None, 2713)]
)
def test_a_forecast_that_times_cannot_hold_is_refused(monkeypatch, origin, as_of, horizon):
    data = frame()
    model, config = fitted(ETS, data), pipeline(origin=origin)
    with pytest.raises(ConfigInvalid, match="go beyond 2250: choose a smaller horizon, or an earlier as_of"):
        predicted(config, model, data, monkeypatch, as_of, horizon)


def test_a_training_still_rejects_a_gap():
    data = frame()
    store, mart, config = MemoryStore(), MemoryMart(), pipeline()
    mart.prepare("demo", series_tables((), config.model.levels))
    sink = io.BytesIO()
    data[(data.series_id != "s2") | (data.timestamp != "2021-05-01")].to_parquet(sink, index=False)
    store.put("in/a.parquet", sink.getvalue())
    key = KEY.model_copy(update={"kind": "train"})
    checked = check_contract(key, config, "in/", None, store=store, mart=mart)
    assert checked.rejected_by_rule == {"gap_too_long": MONTHS - 1}
