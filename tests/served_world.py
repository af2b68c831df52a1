"""A service over fakes, with small models of both kinds: what the tests of its endpoints share."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from small_cohorts import CATEGORIES, TEXTS, small_cohorts
from small_models import small_model, small_pipeline, small_series
from xflow.adapters.memory import MemoryFeatures
from xflow.pipeline import AnyPipeline
from xflow.ports import Block, FeatureStore
from xflow.refs import ModelVersionRef, RunKey
from xflow.serving.app import create_app
from xflow.serving.keys import Keys
from xflow.serving.logged import LoggedPrediction
from xflow.serving.metrics import Metrics
from xflow.serving.served import ServedModel, ServedModels
from xflow.serving.service import Service
from xflow.settings import ServingSettings
from xflow.vacancy_pipeline import VacancyPipeline

TOKEN = "a key"
LIMITS = {"most_rows": 70, "most_series": 20, "most_values": 600, "most_bytes": 300_000, "most_characters": 1_000_000}
FACTS = {"frequency": "M", "exogenous": "", "as_of": "2022-12-01T00:00:00"}
COHORTS, SERIES = "trades", "demo"
DUTIES = "вести учет, готовить отчеты"


class Log:
    """Keeps what is put."""

    waiting = written = shed = aside = 0

    def __init__(self) -> None:
        self.rows: list[LoggedPrediction] = []

    def put(self, rows: list[LoggedPrediction]) -> None:
        self.rows += rows


@dataclass
class ServedWorld:
    """A service, a client that has a key, and what the service did."""

    home: Path
    pipelines: dict[str, AnyPipeline]
    features: FeatureStore
    models: ServedModels = field(default_factory=ServedModels)
    log: Log = field(default_factory=Log)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        sha256 = hashlib.sha256(TOKEN.encode()).hexdigest()
        names = ("greenplum_dsn", "tarantool_uri", "mlflow_uri", "mlflow_username", "mlflow_password")
        settings = ServingSettings(
            host="", port=1, home=self.home, key_sha256=sha256, board_password_sha256=sha256, **dict.fromkeys(names, "")
        )
        parts: dict[str, Any] = {
            "settings": replace(settings, **LIMITS),
            "pipelines": self.pipelines,
            "models": self.models,
            "features": self.features,
            "keys": Keys(self.home / "keys.json", sha256),
            "log": self.log,
            "metrics": Metrics(self.models, self.log),
        }
        self.service = Service(**(dict.fromkeys(Service.__slots__) | parts))
        self.app = create_app(self.service)

    def serve(self, pipeline: str, target: str, model: Any, pyfunc: Any = None) -> str:
        """Let a model answer; return its version."""
        config, number = self.pipelines[pipeline], str(next(self.numbers))
        version = ModelVersionRef(name=config.model_name(target), version=number, mlflow_run_id="run")
        self.models.swap(ServedModel(config, target, version, model, pyfunc, datetime.now(UTC)))
        return number

    @contextmanager
    def client(self, **headers: str) -> Iterator[TestClient]:
        """A client whose faults come back as answers."""
        known = {"Authorization": f"Bearer {TOKEN}"} | headers
        with TestClient(self.app, headers=known, raise_server_exceptions=False) as client:
            yield client


def cohort_pipeline(name: str = COHORTS) -> VacancyPipeline:
    candidates = [{"name": "majority", "kind": "majority"}]
    return VacancyPipeline.model_validate(
        {
            "pipeline": name,
            "kind": "vacancies",
            "description": "Generated vacancies.",
            "input": {"train": f"input/{name}/", "predict": f"input/{name}/"},
            "model": {"texts": [*TEXTS], "categories": [*CATEGORIES], "candidates": candidates},
        }
    )


def served_world(home: Path, **changed: object) -> ServedWorld:
    """Return a service of a pipeline of each kind, with models and ready features."""
    series, cohorts = small_pipeline(SERIES, **changed), cohort_pipeline()
    world = ServedWorld(home, {series.name: series, cohorts.name: cohorts}, MemoryFeatures())
    world.serve(SERIES, "", small_model(1.0))
    for target in cohorts.targets:
        world.serve(COHORTS, target, small_cohorts(target))
    published(world.features, RunKey(pipeline=SERIES, kind="predict", run_id="one"), small_series())
    return world


def published(features: FeatureStore, key: RunKey, blocks: Iterable[Block], **facts: str) -> None:
    """Write features as a run of predict does that ends well."""
    known = FACTS | facts
    assert features.publish(features.write(key, known, blocks), known["as_of"])


def problem(answer: Any, status: int) -> Mapping[str, str]:
    """Return the fields that a problem names, once it is one of a status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert (found["status"], found["request_id"]) == (status, answer.headers["x-request-id"])
    assert "Traceback" not in answer.text
    return {fault["field"]: fault["message"] for fault in found["errors"]}
