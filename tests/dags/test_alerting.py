"""Alerts of DAG runs: by Airflow's own processes against a web hook, and in this process against the callbacks."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from test_connections import CONNECTIONS

from webhook_server import WebHook
from xflow import errors
from xflow.pipeline import load
from xflow.pipeline_base import AlertPolicy
from xflow.settings import REPOSITORY

PROBE = Path(__file__).with_name("run_callbacks.py")
PIPELINE = REPOSITORY / "dags" / "pipelines" / "tourism_monthly.yaml"
EVENTS = ["success", "failure", "drift", "promotion", "rollback", "deadline"]
SECRET = "T0KEN-of-a-webhook"
RUN = "http://airflow.example/dags/tourism_monthly_train/runs/manual__2026-11-21"


@pytest.fixture
def hook() -> Iterator[WebHook]:
    with WebHook().running() as server:
        yield server


def connections(hook: WebHook) -> dict[str, str]:
    """Return the connections of a stack of which nothing but the web hook answers, as variables."""
    made = {name: dict(body) for name, body in CONNECTIONS.items()}
    made["XFLOW_S3"]["extra"] = made["XFLOW_S3"]["extra"] | {"endpoint_url": "http://127.0.0.1:9"}
    for name in ("XFLOW_GREENPLUM", "XFLOW_TARANTOOL", "XFLOW_MLFLOW"):
        made[name] |= {"host": "127.0.0.1", "port": 9}
    made["XFLOW_MLFLOW"]["extra"] = {"page": "http://mlflow.example"}
    made["XFLOW_ALERTS"] = {"conn_type": "apprise", "password": hook.address("/" + SECRET)}
    return {f"AIRFLOW_CONN_{name}": json.dumps(body) for name, body in made.items()}


def test_airflow_tells_of_a_failed_a_killed_and_a_succeeded_run(
    hook: WebHook, airflow_environment: dict[str, str], tmp_path: Path
) -> None:
    content = yaml.safe_load(PIPELINE.read_text()) | {"alerts": {"events": EVENTS}}
    (tmp_path / "tourism_monthly.yaml").write_text(yaml.safe_dump(content))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "XFLOW"))}
    environment |= airflow_environment | connections(hook)
    environment |= {
        "AIRFLOW__API__BASE_URL": "http://airflow.example",
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "PYTHONPATH": str(REPOSITORY / "dags"),
        "XFLOW_PIPELINES": str(tmp_path),
    }
    command = [sys.executable, PROBE, "train.py", "tourism_monthly_train", "input.check_contract"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    failed, killed, succeeded = [body for _, body in hook.told]
    assert (failed["title"], failed["type"]) == ("tourism_monthly: the run failed", "failure")
    reason, task, run = failed["message"].split("\n")
    assert reason.startswith("tourism_monthly_train, input.check_contract: Greenplum at 127.0.0.1:9")
    assert task == f"task: {RUN}/tasks/input.check_contract?try_number=1"
    assert run == f"run: {RUN}"
    assert "ended without a word" in killed["message"]
    assert (succeeded["title"], succeeded["type"]) == ("tourism_monthly: the run succeeded", "success")
    assert succeeded["message"] == f"tourism_monthly_train: 2 tasks, and 1 skipped\nrun: {RUN}"
    assert SECRET not in done.stdout + done.stderr


@pytest.fixture
def alerts(plugin: Callable[[str], ModuleType], hook: WebHook, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    for name, value in connections(hook).items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(REPOSITORY / "dags"))
    return plugin("xflow_alerts")


def context(error: Exception | None, **states: str) -> dict[str, Any]:
    task = SimpleNamespace(
        task_id="predict.check_drift",
        map_index=-1,
        dag_id="tourism_monthly_predict",
        run_id="r 1",
        log_url="http://airflow.example/task",
        get_task_states=lambda **_: {"r 1": states},
    )
    return {"ti": task, "dag": SimpleNamespace(dag_id=task.dag_id), "run_id": task.run_id, "exception": error}


@pytest.mark.parametrize(
    ("error", "events", "title"),
    [
        (errors.DriftStop("level of 200 of 366 series"), EVENTS, "drift"),
        (errors.DriftStop("level of 200 of 366 series"), ["failure"], "the run failed"),
        (errors.DeadlineMissed("nothing since 07:00"), EVENTS, "the predictions are late"),
        (errors.FloorNotBeaten("none is better"), EVENTS, "the run failed"),
        (ValueError("a bug"), EVENTS, "the run failed"),
    ],
)
def test_the_error_decides_the_event_and_no_failure_is_hidden(
    alerts: ModuleType, hook: WebHook, error: Exception, events: list[str], title: str
) -> None:
    pipeline = load(PIPELINE).model_copy(update={"alerts": AlertPolicy(events=events)})
    alerts.failure_callback(pipeline)(context(error))
    ((_, body),) = hook.told
    assert body["title"] == f"tourism_monthly: {title}"
    assert str(error) in body["message"]


def test_a_run_that_fails_twice_is_told_once(alerts: ModuleType, hook: WebHook) -> None:
    alerts.failure_callback(load(PIPELINE))(context(ValueError("x"), **{"train.tune_1": "failed"}))
    assert hook.told == []
    alerts.failure_callback(load(PIPELINE))(context(ValueError("x"), **{"predict.check_drift": "failed", "b": None}))
    assert len(hook.told) == 1


def test_a_run_of_which_everything_was_skipped_is_no_success(alerts: ModuleType, hook: WebHook) -> None:
    pipeline = load(PIPELINE).model_copy(update={"alerts": AlertPolicy(events=EVENTS)})
    told = alerts.success_callback(pipeline)
    told(context(None, a="skipped"))
    assert hook.told == []
    told(context(None, a="success"))
    assert len(hook.told) == 1
    assert alerts.success_callback(load(PIPELINE)) is None


def test_a_training_tells_of_its_new_champions(
    alerts: ModuleType, plugin: Callable[[str], ModuleType], hook: WebHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = plugin("train")
    told: list[Any] = []
    pipeline = load(PIPELINE.with_name("vacancies.yaml"))
    run = SimpleNamespace(pipeline=pipeline, close=lambda promotions: None)
    events = {module.promoted(pipeline): SimpleNamespace(add=lambda *event: told.append(event))}
    monkeypatch.setattr(module, "runner", lambda _: run)
    monkeypatch.setattr(module, "get_current_context", lambda: {"outlet_events": events})
    made = [
        {"name": "vacancies_salary", "version": "7", "promoted": True, "reason": "better by 0.02"},
        {"name": "vacancies_demand", "version": "4", "promoted": False, "reason": "a tie"},
    ]
    module.close_run.function(made)
    ((_, body),) = hook.told
    assert body["title"] == "vacancies: promotion"
    assert body["message"] == (
        "vacancies_salary version 7 serves: better by 0.02\n"
        "vacancies_salary: http://mlflow.example/#/models/vacancies_salary/versions/7?workflowType=machine_learning"
    )
    module.close_run.function(made[1:])
    assert len(hook.told) == len(told) == 1
    module.close_run.function([made[0], None])  # the training of the other target failed
    assert (hook.told[1], told[1]) == (hook.told[0], told[0])


def test_a_secret_that_airflow_knows_is_no_part_of_an_alert(alerts: ModuleType, hook: WebHook) -> None:
    from airflow.sdk.log import mask_secret

    mask_secret("pass-w0rd-of-the-mart")
    alerts.failure_callback(load(PIPELINE))(context(ValueError("postgresql://u:pass-w0rd-of-the-mart@h/x")))
    ((_, body),) = hook.told
    assert "pass-w0rd-of-the-mart" not in json.dumps(body)


@pytest.mark.parametrize("broken", ["no address", "no connection", "no answer of Airflow"])
def test_without_addresses_nothing_is_sent_and_nothing_raised(
    alerts: ModuleType, hook: WebHook, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    told = context(ValueError("x"))
    if broken == "no address":
        monkeypatch.setenv("AIRFLOW_CONN_XFLOW_ALERTS", json.dumps({"conn_type": "apprise"}))
    elif broken == "no connection":
        monkeypatch.delenv("AIRFLOW_CONN_XFLOW_ALERTS")
    else:
        told["ti"].get_task_states = lambda **_: 1 / 0
    alerts.failure_callback(load(PIPELINE))(told)
    assert len(hook.told) == (broken == "no answer of Airflow")


def test_the_form_of_the_provider_works_as_well(
    alerts: ModuleType, hook: WebHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = [{"path": hook.address("/a"), "tag": "x"}, {"path": hook.address("/b"), "tag": "y"}]
    body = {"conn_type": "apprise", "extra": {"config": json.dumps(config)}}
    monkeypatch.setenv("AIRFLOW_CONN_XFLOW_ALERTS", json.dumps(body))
    alerts.failure_callback(load(PIPELINE))(context(ValueError("x")))
    assert {path for path, _ in hook.told} == {"/a", "/b"}
