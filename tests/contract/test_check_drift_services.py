"""The drift gate at real services: the model brings its reference, the report arrives on S3 and in MLflow."""

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.forecaster import Forecaster
from xflow.domain.intervals import Conformal
from xflow.errors import DriftStop
from xflow.pipeline import Pipeline
from xflow.predict_runner import PredictRunner
from xflow.refs import CheckedInput, FeatureSetRef, RunKey
from xflow.steps.drift_reference import reference_file
from xflow.steps.kinds.read_panel import read_panel

pytestmark = pytest.mark.services

MONTHS, SERIES = 48, 12


def config(name):
    return Pipeline.model_validate(
        {
            "pipeline": name,
            "description": "Generated series.",
            "input": {"train": f"{name}/train.parquet", "predict": f"{name}/predict.parquet"},
            "contract": {"frequency": "M"},
            "model": {
                "seasonality": 12,
                "horizon": 6,
                "candidates": [{"name": "seasonal_naive", "kind": "seasonal_naive"}],
            },
        }
    )


def table(factor=1.0):
    rng = np.random.default_rng(0)
    months = pd.date_range("2020-01-01", periods=MONTHS, freq="MS")
    season = 1 + 0.3 * np.sin(2 * np.pi * np.arange(MONTHS) / 12)
    values = [factor * 10 * (i + 1) * season * rng.lognormal(0, 0.1, MONTHS) for i in range(SERIES)]
    return pa.table(
        {
            "series_id": np.repeat([f"s{i}" for i in range(SERIES)], MONTHS),
            "timestamp": np.tile(months.to_numpy(), SERIES).astype("datetime64[us]"),
            "value": np.concatenate(values),
        }
    )


def put(run, content):
    sink = io.BytesIO()
    pq.write_table(content, sink)
    run.store.put(run.pipeline.input.predict, sink.getvalue())


def prepared(run):
    """Return the run's checked input and its feature set."""
    checked = run.check_contract()
    return checked, run.write_features(checked)


@pytest.fixture(scope="module")
def trained(stack):
    """A pipeline whose champion learned from the table, and the run that looked at it."""
    key = RunKey(pipeline=f"t_{np.random.default_rng().integers(10**12)}", kind="predict", run_id="first")
    run = PredictRunner(stack, config(key.pipeline), key)
    put(run, table())
    checked, written = prepared(run)
    features = FeatureSetRef.model_validate(written)
    panel, _ = read_panel(run.features, features)
    members = {"naive": (1.0, build_candidate("seasonal_naive", {}, Setting(12, 6)))}
    intervals = Conformal.fit(np.random.default_rng(0).normal(size=(300, 6)), (0.8, 0.95))
    model = Forecaster.fit(panel.head(6), members, intervals, 12, 6)
    files = reference_file(run.pipeline, model, features, CheckedInput.model_validate(checked), run.features)
    mlflow_run = run.registry.open_run(key.model_copy(update={"kind": "train"}), {}, {"kind": "train"})
    uri = run.registry.log_model(mlflow_run, model, panel.tail(24).to_frame(), {}, {}, {}, files)
    version = run.registry.register(key.pipeline, mlflow_run, uri, {}, "")
    run.registry.promote(version, None)
    return run, checked, written


def test_the_input_of_the_training_passes_and_leaves_its_report(trained):
    run, checked, written = trained
    found = run.check_drift(written, checked)
    assert (found["verdict"], found["reason"]) == ("ok", "")
    assert found["reports"] == [run.store.uri(f"reports/{run.pipeline.name}/first/drift.html")]
    page = run.store.get(run.store.list(found["reports"][0])[0])
    assert f"Drift of {run.pipeline.name} since {run.pipeline.name} version 1".encode() in page
    assert run.registry.artifact(found["mlflow_run_id"], "drift.html") == page
    facts = run.registry.facts(found["mlflow_run_id"])
    assert facts["tags"]["kind"] == "predict"
    assert facts["metrics"] == found["figures"]
    assert run.mart.run(run.key)["drift"] == "ok"


def test_a_stop_is_in_the_ledger_and_its_report_can_be_read(trained):
    first, _, _ = trained
    run = PredictRunner(first.settings, first.pipeline, first.key.model_copy(update={"run_id": "broken"}))
    put(run, table(factor=1000.0))
    checked, written = prepared(run)
    with pytest.raises(DriftStop, match=f"moved .*reports/{run.pipeline.name}/broken/drift.html"):
        run.check_drift(written, checked)
    row = run.mart.run(run.key)
    assert (row["state"], row["drift"]) == ("failed", "stop")
    assert row["message"].startswith(f"check_drift: DriftStop: {run.pipeline.name}: nothing is predicted")
    assert b"stop" in run.store.get(run.store.list(f"reports/{run.pipeline.name}/broken/drift.html")[0])
