"""The deadline of predictions: as Airflow's scheduler keeps it for a run, and of a day without one."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from test_alerting import connections

from webhook_server import WebHook
from xflow.errors import ConfigInvalid, DeadlineMissed
from xflow.pipeline import load
from xflow.settings import REPOSITORY
from xflow.steps.predictions_due import Due

PROBE = Path(__file__).with_name("run_deadline.py")
SINCE = datetime(2026, 11, 20, 7, tzinfo=UTC)


@pytest.fixture
def hook() -> Iterator[WebHook]:
    with WebHook().running() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of one pipeline that promises its predictions by seven."""
    text = (REPOSITORY / "dags" / "pipelines" / "tourism_monthly.yaml").read_text()
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "tourism_monthly.yaml").write_text(f'predictions_by: "07:00"\n{text}')
    return tmp_path / "pipelines"


def test_a_late_run_is_told_by_airflow_and_a_backfill_has_no_deadline(
    hook: WebHook, folder: Path, tmp_path: Path, airflow_environment: dict[str, str]
) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "XFLOW"))}
    environment |= airflow_environment | connections(hook)
    environment |= {
        "AIRFLOW__API__BASE_URL": "http://airflow.example",
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "PYTHONPATH": str(REPOSITORY / "dags"),
        "XFLOW_PIPELINES": str(folder),
    }
    command = [sys.executable, PROBE, "tourism_monthly_predict", "backfill", "backfill__1", "manual", "manual__1"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    printed = next(line for line in done.stdout.splitlines() if line.startswith("{"))
    assert json.loads(printed) == {
        "deadlines": {"manual__1": "2026-11-21 07:00:00+00:00"},
        "schedules": {"tourism_monthly_deadline": "0 7 * * *"},
    }
    ((_, body),) = hook.told
    assert body["title"] == "tourism_monthly: the predictions are late"
    assert body["message"].startswith(
        "no predictions on S3 by 2026-11-21 07:00 UTC: run manual__1 has not succeeded, its state is running. "
        "Whether another run made them is not known: Greenplum at 127.0.0.1:9"
    )
    assert body["message"].endswith("run: http://airflow.example/dags/tourism_monthly_predict/runs/manual__1")


@pytest.fixture
def dags(
    plugin: Callable[[str], ModuleType], hook: WebHook, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], ModuleType]:
    for name, value in connections(hook).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XFLOW_PIPELINES", str(folder))
    monkeypatch.syspath_prepend(str(REPOSITORY / "dags"))
    return plugin


def due(made: tuple[str, ...] = (), started: tuple[str, ...] = ()) -> Callable[..., Due]:
    return lambda *_: Due(since=SINCE, made=made, started=started)


@pytest.mark.parametrize(
    ("found", "alerts"),
    [
        (due(), 1),  # it failed before the ledger knew of it
        (due(started=("r1", "r2")), 1),
        (due(started=("r2", "r1", "r3")), 0),  # r3 has the same deadline
        (due(made=("s3://b/p/",), started=("r1", "r2")), 0),
    ],
)
def test_one_run_tells_that_the_predictions_are_late(
    dags: Callable[[str], ModuleType], hook: WebHook, monkeypatch: pytest.MonkeyPatch, found: Any, alerts: int
) -> None:
    module = dags("xflow_deadline")
    monkeypatch.setattr(module, "look", found)
    run = {"dag_id": "tourism_monthly_predict", "dag_run_id": "r2", "state": "failed"}
    module.late("tourism_monthly", {"dag_run": run, "deadline": {"deadline_time": "2026-11-21T07:00:00Z"}})
    assert len(hook.told) == alerts


def test_a_day_without_a_run_is_a_failed_run_of_the_deadline(
    dags: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = dags("deadline")
    check = module.check_predictions.function
    run = SimpleNamespace(logical_date=datetime(2026, 11, 21, 7, tzinfo=UTC))
    monkeypatch.setattr(module, "get_current_context", lambda: {"dag_run": run})
    monkeypatch.setattr(module, "look", due())
    with pytest.raises(DeadlineMissed, match="no predictions by 2026-11-21 07:00 UTC, and no run has started"):
        check("tourism_monthly", "07:00")
    for found in (due(started=("manual__1",)), due(made=("s3://b/p/",))):
        monkeypatch.setattr(module, "look", found)
        check("tourism_monthly", "07:00")


@pytest.mark.parametrize("wrong", ["7:00", "24:00", "07:60", "25200"])
def test_a_wrong_time_of_day_is_refused(folder: Path, wrong: str) -> None:
    path = folder / "tourism_monthly.yaml"
    path.write_text(path.read_text().replace('"07:00"', f'"{wrong}"'))
    with pytest.raises(ConfigInvalid, match=r"predictions_by.*a time of day in UTC"):
        load(path)
