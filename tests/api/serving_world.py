"""Two small pipelines whose champions lie in a real registry, and a service of its own that answers with them."""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import requests
import yaml

from small_cohorts import CATEGORIES, TEXTS, small_cohorts, small_rows
from small_models import small_model, small_panel, small_pipeline, small_series
from xflow.adapters.mlflow_registry import MlflowRegistry
from xflow.adapters.tarantool import TarantoolFeatures
from xflow.domain.forecaster import Forecaster
from xflow.domain.vacancies.model import CohortModel
from xflow.refs import RunKey
from xflow.settings import Settings, read_env_file

SERIES, VACANCIES = "api_series", "api_vacancies"
MODELS = (SERIES, f"{VACANCIES}_salary", f"{VACANCIES}_demand")
READY_SECONDS = 180.0
LIMITS = {"BYTES": "200000", "ROWS": "50", "SERIES": "50", "VALUES": "5000"}
VACANCY_MODEL = {
    "texts": [*TEXTS],
    "categories": [*CATEGORIES],
    "candidates": [{"name": "majority", "kind": "majority"}],
}


@dataclass
class World:
    """Where the service is, and what a caller may know of it."""

    env: dict[str, str]
    pipelines: Path
    home: Path
    port: int
    key: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, path: str, **arguments: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}"}
        return requests.request(method, f"{self.url}{path}", headers=headers, timeout=60, **arguments)


def publish(settings: Settings, folder: Path) -> None:
    """Write the files of the pipelines, let a version of each model serve, and write features of series."""
    places = {"train": "input/api/", "predict": "input/api/"}
    vacancies = {"pipeline": VACANCIES, "kind": "vacancies", "description": "Generated.", "input": places}
    documents = (
        small_pipeline(SERIES).model_dump(mode="json", exclude_defaults=True, by_alias=True),
        vacancies | {"model": VACANCY_MODEL},
    )
    for document in documents:
        (folder / f"{document['pipeline']}.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    registry = MlflowRegistry(settings.mlflow_uri, settings.mlflow_username, settings.mlflow_password)
    example = small_rows().head(5)[[*TEXTS, *CATEGORIES]]
    champion(registry, SERIES, "", small_model(1.0), small_panel().to_frame())
    for target in ("salary", "demand"):
        champion(registry, VACANCIES, target, small_cohorts(target), example)
    facts = {"frequency": "M", "exogenous": "", "as_of": "2022-12-01T00:00:00"}
    key = RunKey(pipeline=SERIES, kind="predict", run_id="one")
    features = TarantoolFeatures(settings.tarantool_uri)
    features.publish(features.write(key, facts, small_series()), facts["as_of"])


def champion(
    registry: MlflowRegistry, pipeline: str, target: str, model: Forecaster | CohortModel, example: object
) -> None:
    """Register a version of a model, and let it serve."""
    name = f"{pipeline}_{target}".rstrip("_")
    key = RunKey(pipeline=pipeline, kind="train", run_id="one")
    run_id = registry.open_run(key, {}, {"kind": "train"}, target)
    uri = registry.log_model(run_id, model, example, {}, {}, {}, {})
    registry.promote(registry.register(name, run_id, uri, {"run_key": str(key)}, "small"), None)


def world_of(stack_home: Path, pipelines: Path, home: Path) -> World:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return World(read_env_file(stack_home / "env"), pipelines, home, port, secrets.token_urlsafe(32))


@contextlib.contextmanager
def running(world: World) -> Iterator[World]:
    """Run the service until it is left; it must end well."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("XFLOW_", "AIRFLOW"))}
    env |= {name: world.env[name] for name in ("XFLOW_TARANTOOL_URI", "XFLOW_SERVING_DSN")}
    env |= {name: value for name, value in world.env.items() if name.startswith("MLFLOW_TRACKING_")}
    env |= {
        "XFLOW_ENV_FILE": os.devnull,
        "XFLOW_PIPELINES": str(world.pipelines),
        "XFLOW_SERVING_HOME": str(world.home),
        "XFLOW_SERVING_PORT": str(world.port),
        "XFLOW_SERVING_KEY_SHA256": sha256(world.key.encode()).hexdigest(),
        "XFLOW_BOARD_PASSWORD_SHA256": sha256(b"board").hexdigest(),
        "OMP_NUM_THREADS": "1",
    }
    env |= {f"XFLOW_SERVING_MOST_{name}": value for name, value in LIMITS.items()}
    log = world.home / "service.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "xflow.serving"], env=env, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        await_ready(world, process, log)
        yield world
    finally:
        process.terminate()
        code = process.wait(60)
    assert code in (0, -15), log.read_text()[-3000:]
    assert "Traceback" not in log.read_text(), log.read_text()[-3000:]


def await_ready(world: World, process: subprocess.Popen, log: Path) -> None:
    deadline, told = time.monotonic() + READY_SECONDS, "no answer"
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-3000:]
        with contextlib.suppress(requests.ConnectionError):
            answer = requests.get(f"{world.url}/health/ready", timeout=5)
            told = answer.text
            if answer.status_code == 200 and set(answer.json()["models"]) == set(MODELS):
                return
        time.sleep(0.2)
    raise AssertionError(f"not ready: {told} {log.read_text()[-3000:]}")
