"""OpenLineage: what tasks declare, and the events that Airflow emits of it for a real task."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
import yaml

from xflow.adapters.s3 import S3Store
from xflow.domain.datasets import Data, Places
from xflow.refs import RunKey
from xflow.settings import REPOSITORY, Settings

PROBE = Path(__file__).with_name("run_lineage.py")
PIPELINES = REPOSITORY / "dags" / "pipelines"
PLACES = Places(
    bucket="xflow",
    mart="postgresql://loader:pass-w0rd@gp.example:6432/warehouse",
    features="tarantool://xflow:pass-w0rd@tnt.example",
    models="https://mlflow.example:5000",
)
DECIDES = {"every_target", "request_training", "approve"}


def test_names_follow_the_rules_and_hold_no_credentials() -> None:
    names = {
        Data("s3", "input/a/train/"): ("s3://xflow", "input/a/train/"),
        Data("s3", "s3://other/key.parquet"): ("s3://other", "key.parquet"),
        Data("mart", "a_input"): ("postgres://gp.example:6432", "warehouse.mart.a_input"),
        Data("features", "a/train"): ("tarantool://tnt.example:3301", "feature_set/a/train"),
        Data("models", "a_salary"): ("mlflow://mlflow.example:5000", "models/a_salary"),
    }
    assert {data: PLACES.identity(data) for data in names} == names
    assert "pass-w0rd" not in str([PLACES.identity(data) for data in names])


@pytest.fixture(scope="module")
def declared(parse: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return inlets and outlets of all tasks of the project's DAGs, by DAG and task."""
    folder = tmp_path_factory.mktemp("pipelines")
    for path in PIPELINES.glob("*.yaml"):
        (folder / path.name).write_text(f'predictions_by: "07:00"\n{path.read_text()}')
    dags = parse(XFLOW_PIPELINES=str(folder))["dags"]
    tasks = {name: [each["__var"] for each in dag["serialized"]["dag"]["tasks"]] for name, dag in dags.items()}
    return {
        name: {each["task_id"]: (ends(each, "inlets"), ends(each, "outlets")) for each in all_of_it}
        for name, all_of_it in tasks.items()
    }


def ends(task: dict[str, Any], side: str) -> list[Any]:
    return task.get(side) or task.get("partial_kwargs", {}).get(side, {}) or []


def test_every_task_says_what_it_reads_and_writes(declared: dict[str, Any]) -> None:
    for dag, tasks in declared.items():
        for task, (reads, writes) in tasks.items():
            data = [each for each in [*reads, *writes] if str(each).startswith("Data(")]
            assert data or task.rpartition(".")[2] in DECIDES, f"{dag}.{task} declares nothing: see xflow_lineage.py"


def test_every_target_has_a_model_of_its_own(declared: dict[str, Any]) -> None:
    _, writes = declared["vacancies_train"]["promote_salary.register"]
    assert writes == ["Data(store='models', name='vacancies_salary', unless='')"]
    reads, _ = declared["vacancies_predict"]["predict.make_predictions"]
    assert {"vacancies_salary", "vacancies_demand"} <= {name for each in reads for name in each.split("'")}


@pytest.fixture
def pipeline(tmp_path: Path, key: RunKey) -> Path:
    """A folder of one pipeline, of a name that no other test uses."""
    content = yaml.safe_load((PIPELINES / "tourism_monthly.yaml").read_text())
    content |= {"pipeline": key.pipeline, "schedule": None}
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / f"{key.pipeline}.yaml").write_text(yaml.safe_dump(content))
    return tmp_path / "pipelines"


def connections(stores: Settings) -> dict[str, str]:
    """Return the connections of the stack, as variables."""
    service = {"s3": {"bucket_name": stores.s3_bucket}}
    s3 = {"endpoint_url": stores.s3_endpoint, "service_config": service}
    made: dict[str, dict[str, Any]] = {
        "S3": {"conn_type": "aws", "login": stores.s3_access_key, "password": stores.s3_secret_key, "extra": s3},
        "MLFLOW": {"conn_type": "http", "host": "127.0.0.1", "port": 9, "login": "me", "password": "secret-of-mlflow"},
    }
    for name, uri, kind in (
        ("GREENPLUM", stores.greenplum_dsn, "postgres"),
        ("TARANTOOL", stores.tarantool_uri, "generic"),
    ):
        parts = urlsplit(uri)
        made[name] = {"conn_type": kind, "host": parts.hostname, "port": parts.port}
        made[name] |= {"login": parts.username, "password": parts.password, "schema": parts.path.strip("/")}
    return {f"AIRFLOW_CONN_XFLOW_{name}": json.dumps(body) for name, body in made.items()}


def rows() -> bytes:
    months = pd.date_range("2018-01-01", periods=72, freq="MS")
    frame = pd.DataFrame({"series_id": "a", "timestamp": months, "value": np.arange(72) + 10.0})
    written = io.BytesIO()
    frame.to_parquet(written, index=False)
    return written.getvalue()


@pytest.mark.services
def test_a_task_emits_its_start_and_its_end_with_its_datasets(
    stores: Settings, pipeline: Path, key: RunKey, tmp_path: Path, airflow_environment: dict[str, str]
) -> None:
    store = S3Store(stores.s3_endpoint, stores.s3_bucket, stores.s3_access_key, stores.s3_secret_key)
    store.put(f"input/{key.pipeline}/rows.parquet", rows())
    events = tmp_path / "events.jsonl"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "XFLOW"))}
    settings = (REPOSITORY / "docker" / "airflow" / "airflow.env").read_text().splitlines()
    environment |= dict(line.split("=", 1) for line in settings if line.startswith("AIRFLOW__OPENLINEAGE"))
    environment |= airflow_environment | connections(stores)
    environment |= {
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps({"type": "file", "log_file_path": str(events), "append": True}),
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "PYTHONPATH": str(REPOSITORY / "dags"),
        "XFLOW_PIPELINES": str(pipeline),
    }
    dag_id, uri = f"{key.pipeline}_train", f"s3://{stores.s3_bucket}/input/{key.pipeline}/rows.parquet"
    command = [sys.executable, PROBE, "train.py", dag_id, "input.check_contract", uri]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    emitted = [json.loads(line) for line in events.read_text().splitlines()]
    started, completed = emitted
    assert [each["eventType"] for each in emitted] == ["START", "COMPLETE"]
    assert {(each["job"]["namespace"], each["job"]["name"]) for each in emitted} == {
        ("xflow", f"{dag_id}.input.check_contract")
    }
    mart = urlsplit(stores.greenplum_dsn)
    written = [
        (f"s3://{stores.s3_bucket}", f"runs/{key.pipeline}/train/"),
        (f"postgres://{mart.hostname}:{mart.port}", f"{mart.path[1:]}.mart.run"),
    ]
    assert identities(started) == ([], written)
    assert identities(completed) == ([(f"s3://{stores.s3_bucket}", f"input/{key.pipeline}/rows.parquet")], written)
    for secret in (stores.s3_secret_key, mart.password, urlsplit(stores.tarantool_uri).password, "secret-of-mlflow"):
        assert secret
        assert secret not in events.read_text()


def identities(event: dict[str, Any]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    reads, writes = ([(each["namespace"], each["name"]) for each in event[side]] for side in ("inputs", "outputs"))
    return reads, writes
