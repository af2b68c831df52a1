"""Airflow's own modules for tests: its home is a throw-away folder, its plugins are the project's."""

import importlib
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from xflow.settings import REPOSITORY

PLUGINS = REPOSITORY / "docker" / "airflow" / "plugins"
PROBE = Path(__file__).with_name("parse_dags.py")


@pytest.fixture(scope="session")
def airflow_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }


@pytest.fixture(scope="session")
def parse(airflow_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Parse the DAG files in a fresh process; extra variables may be given."""
    import json

    def run(**variables: str) -> Any:
        target = tmp_path_factory.mktemp("parsed") / "dags.json"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "XFLOW"))}
        environment |= airflow_environment | {"PYTHONPATH": str(REPOSITORY / "dags")} | variables
        done = subprocess.run(
            [sys.executable, PROBE, target], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(target.read_text())

    return run


@pytest.fixture(scope="session")
def plugin(airflow_environment: dict[str, str]) -> Iterator[Callable[[str], ModuleType]]:
    """Import a module of the plugins folder, as Airflow's processes do."""
    saved = {name: os.environ.get(name) for name in airflow_environment}
    os.environ.update(airflow_environment)
    sys.path.append(str(PLUGINS))

    def load(name: str) -> ModuleType:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Airflow's own
            return importlib.import_module(name)

    yield load
    sys.path.remove(str(PLUGINS))
    for name, value in saved.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})
