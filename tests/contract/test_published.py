"""What answers online uses what a run published, whatever other runs left behind, on the real stores."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from audit_world import Remembering
from fastapi.testclient import TestClient
from test_check_drift_services import MONTHS, config, prepared, put, table

from served_world import ServedWorld
from xflow.audit_runner import AuditRunner
from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.forecaster import Forecaster
from xflow.domain.intervals import Conformal
from xflow.errors import ChampionMissing, DriftStop
from xflow.predict_runner import PredictRunner
from xflow.refs import CheckedInput, FeatureSetRef, PredictionRef, RunKey
from xflow.runner import registry_of
from xflow.settings import Settings
from xflow.steps.drift_reference import reference_file
from xflow.steps.kinds.read_panel import read_panel
from xflow.steps.load_predictions import load_predictions

pytestmark = pytest.mark.services

AS_OF = "2023-12-01T00:00:00"
LEAP = 1000.0


class Deliveries:
    """Runs of predict of one pipeline, and a service that answers by id."""

    def __init__(self, settings: Settings, home: Path) -> None:
        self.settings, self.pipeline = settings, config(f"t_{np.random.default_rng().integers(10**12)}")
        self.registry = Remembering(registry_of(settings))
        self.model = self._champion()
        self.service = ServedWorld(home, {self.pipeline.name: self.pipeline}, self.runner("service").features)
        self.service.serve(self.pipeline.name, "", self.model)

    def runner(self, run_id: str) -> PredictRunner:
        made = PredictRunner(
            self.settings, self.pipeline, RunKey(pipeline=self.pipeline.name, kind="predict", run_id=run_id)
        )
        made.registry = self.registry
        return made

    def predict(self, run_id: str, factor: float = 1.0, as_of: str | None = None) -> tuple[PredictRunner, dict]:
        """Run the steps of a prediction up to its files on S3; the slow drift gate sees a leap alone."""
        run = self.runner(run_id)
        put(run, table(factor))
        checked = run.check_contract(as_of=as_of)
        run.load_mart(checked)
        features = run.write_features(checked)
        drift = run.check_drift(features, checked) if factor == LEAP else None
        return run, run.predict(features, checked, drift=drift)

    def publish(self, run_id: str, factor: float = 1.0, as_of: str | None = None) -> str:
        run, made = self.predict(run_id, factor, as_of)
        run.load_predictions(made)
        return str(run.key)

    def answer(self, client: TestClient) -> dict[str, Any]:
        found = client.post(f"/v1/series/{self.pipeline.name}/forecast", json={"series_ids": ["s3"]})
        assert found.status_code == 200, found.text
        return found.json()

    def _champion(self) -> Forecaster:
        run = self.runner("champion")
        put(run, table())
        checked, written = prepared(run)
        features = FeatureSetRef.model_validate(written)
        panel, _ = read_panel(run.features, features)
        members = {"naive": (1.0, build_candidate("seasonal_naive", {}, Setting(12, 6)))}
        intervals = Conformal.fit(np.random.default_rng(0).normal(size=(300, 6)), (0.8, 0.95))
        model = Forecaster.fit(panel.head(6), members, intervals, 12, 6)
        files = reference_file(run.pipeline, model, features, CheckedInput.model_validate(checked), run.features)
        mlflow_run = run.registry.open_run(run.key.model_copy(update={"kind": "train"}), {}, {"kind": "train"})
        uri = run.registry.log_model(mlflow_run, model, panel.tail(24).to_frame(), {}, {}, {}, files)
        run.registry.promote(run.registry.register(run.pipeline.name, mlflow_run, uri, {}, ""), None)
        return model


@pytest.fixture(scope="module")
def deliveries(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Deliveries:
    return Deliveries(stack, tmp_path_factory.mktemp("home"))


@pytest.fixture
def client(deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr("xflow.serving.series_source.FRESH_SECONDS", 0.0)
    with deliveries.service.client() as found:
        yield found


def test_runs_that_publish_nothing_answer_nothing(deliveries: Deliveries, client: TestClient) -> None:
    url = f"/v1/series/{deliveries.pipeline.name}/forecast"
    assert client.post(url, json={"series_ids": ["s3"]}).status_code == 503  # the champion's run predicted nothing
    first = deliveries.publish("first")
    right = deliveries.answer(client)
    assert (right["feature_set"], right["as_of"]) == (first, AS_OF)

    with pytest.raises(DriftStop):
        deliveries.predict("drifted", factor=LEAP)
    assert deliveries.answer(client)["forecasts"] == right["forecasts"]
    assert deliveries.answer(client)["feature_set"] == first

    run, _ = deliveries.predict("under way")
    assert deliveries.answer(client)["feature_set"] == first
    with pytest.raises(ChampionMissing):
        run.predict(run.write_features(run.check_contract()), run.check_contract(), at="2001-01-01")
    assert deliveries.answer(client)["feature_set"] == first

    past = deliveries.publish("past", as_of="2022-06-01")
    assert deliveries.runner("past").mart.run(deliveries.runner("past").key)["as_of"] == "2022-06-01T00:00:00"
    assert past != first
    assert deliveries.answer(client)["feature_set"] == first
    corrected = deliveries.publish("corrected", factor=1.01)
    assert deliveries.answer(client)["feature_set"] == corrected


def test_a_run_that_is_repeated_counts_again_when_it_has_ended(deliveries: Deliveries, client: TestClient) -> None:
    before, mine = deliveries.publish("before"), deliveries.publish("repeated")
    assert deliveries.answer(client)["feature_set"] == mine
    run, made = deliveries.predict("repeated", factor=1.02)
    assert deliveries.answer(client)["feature_set"] == before
    run.load_predictions(made)
    assert deliveries.answer(client)["feature_set"] == mine
    with pytest.raises(DriftStop):
        deliveries.predict("repeated", factor=LEAP)
    assert run.mart.run(run.key)["state"] == "failed"
    assert deliveries.answer(client)["feature_set"] == before


def test_a_run_killed_before_it_marked_its_features(deliveries: Deliveries, client: TestClient, tmp_path: Path) -> None:
    before = deliveries.publish("before the kill")
    run, made = deliveries.predict("killed")
    load_predictions(run.key, run.pipeline, PredictionRef.model_validate(made), store=run.store, mart=run.mart)
    assert run.mart.run(run.key)["state"] == "success"
    assert deliveries.answer(client)["feature_set"] == before
    run.load_predictions(made)
    assert deliveries.answer(client)["feature_set"] == str(run.key)


def test_many_backfills_leave_what_answers(deliveries: Deliveries, client: TestClient) -> None:
    newest = deliveries.publish("newest")
    right = deliveries.answer(client)
    months = pd.date_range("2020-01-01", periods=MONTHS, freq="MS")
    for month in months[30:36]:
        deliveries.publish(f"backfill-{month:%Y-%m}", as_of=month.isoformat())
    found = deliveries.answer(client)
    assert (found["feature_set"], found["as_of"]) == (newest, AS_OF)
    assert found["forecasts"] == right["forecasts"]


def test_verify_tells_when_other_features_answer(deliveries: Deliveries, tmp_path: Path) -> None:
    (tmp_path / f"{deliveries.pipeline.name}.yaml").write_text(
        yaml.safe_dump(deliveries.pipeline.model_dump(mode="json"))
    )
    mine = deliveries.publish("verified")

    def said() -> list[tuple[str, str]]:
        audit = AuditRunner.of_run(deliveries.settings, mine, folder=tmp_path).verify()
        return [(check.state, check.detail) for check in audit.checks if check.what == "features in service"]

    assert said() == [("ok", f"{mine} answers online")]
    features = deliveries.runner("verified").features
    while found := features.published(f"{deliveries.pipeline.name}/predict"):
        features.retract(found[0].id)
    ((state, detail),) = said()
    assert state == "fault"
    assert detail.startswith("none answers online, as of never")
    assert "the run ended before it marked its features published. Run it again by its id" in detail
