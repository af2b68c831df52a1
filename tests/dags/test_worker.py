"""What a Celery worker does before its tasks: airflow_local_settings.py in docker/airflow/config."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from xflow.preload import PACKAGES
from xflow.settings import REPOSITORY

CONFIG = REPOSITORY / "docker" / "airflow" / "config"
DAG = """
import json
import os
import sys
from pathlib import Path

from airflow.sdk import dag, task

@dag(schedule=None)
def probe():
    @task
    def look():
        variables = [name for name in os.environ if name.startswith("XFLOW_")]
        Path(os.environ["SEEN"]).write_text(json.dumps({"modules": list(sys.modules), "variables": variables}))
    look()

probe()
"""


@pytest.fixture
def seen(airflow_environment: dict[str, str], tmp_path: Path) -> Any:
    """Run a task and return what it saw of its process."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "probe.py").write_text(DAG)
    (tmp_path / "only_the_worker_imports_this.py").touch()

    def run(**variables: str) -> dict[str, list[str]]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "XFLOW"))}
        environment |= airflow_environment | variables
        environment |= {
            "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
            "PYTHONPATH": f"{CONFIG}:{tmp_path}",
            "SEEN": str(tmp_path / "seen.json"),
        }
        script = Path(__file__).with_name("run_task.py")
        done = subprocess.run(
            [sys.executable, script, "celery", "worker"], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return json.loads((tmp_path / "seen.json").read_text())

    return run


KNOWN_TO_PLUGINS = {f"xflow.domain{name}" for name in ("", ".alert", ".deadline", ".datasets", ".object_names")}
"""What Airflow's plugins import; the rest of the code is read anew by every task, so that an edit counts at once."""


def test_a_task_inherits_what_the_worker_imported(seen: Any) -> None:
    found = seen(XFLOW_PRELOAD="1")
    assert {"only_the_worker_imports_this", *PACKAGES} <= set(found["modules"])
    domain = {name for name in found["modules"] if name.startswith("xflow.domain")}
    assert domain <= KNOWN_TO_PLUGINS
    assert found["variables"] == []


def test_a_task_of_the_gpu_worker_starts_in_a_fresh_interpreter(seen: Any) -> None:
    modules = set(seen(XFLOW_FRESH_INTERPRETER="1")["modules"])
    assert "airflow.sdk.execution_time.task_runner" in modules
    assert not modules & {"only_the_worker_imports_this", "xgboost", "etna"}


def test_without_its_variables_the_worker_is_airflows_own(seen: Any) -> None:
    modules = set(seen()["modules"])
    assert "only_the_worker_imports_this" in modules
    assert not modules & {"xgboost", "etna"}


def test_a_worker_does_not_start_where_airflow_starts_tasks_another_way(
    airflow_environment: dict[str, str],
) -> None:
    text = """
from airflow.sdk.execution_time import supervisor
del supervisor._FORK_EXEC_PLATFORMS
from airflow.providers.celery.executors.celery_executor import app
app.loader.init_worker()
"""
    environment = os.environ | airflow_environment | {"PYTHONPATH": str(CONFIG), "XFLOW_FRESH_INTERPRETER": "1"}
    done = subprocess.run(
        [sys.executable, "-c", text, "celery", "worker"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "this version of Airflow starts tasks another way" in done.stderr.splitlines()[-1]
