"""The part of xFlow that is logged with a model, for who loads it where xFlow is not installed."""

import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import xflow

PARTS = (
    "__init__.py",
    "columns.py",
    "errors.py",
    "pipeline_base.py",
    "schema.py",
    "vacancy_pipeline.py",
    "adapters/__init__.py",
    "adapters/mlflow_model.py",
    "domain",
)
"""What `mlflow_model` and the domain import. Each file is a request to MLflow, and the whole package is hundreds."""


_ONE_AT_A_TIME = threading.Lock()
"""Loading changes `sys.path`, and two at once would take no less time."""


def write_code(folder: Path) -> Path:
    """Write a package `xflow` of these parts into a folder, and return its path."""
    source, target = Path(xflow.__file__).parent, folder / "xflow"
    for part in PARTS:
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source / part, target / part)
    return target


def loaded_without(folder: Path) -> Any:
    """Return the model of a folder behind MLflow's interface; the code that was logged with it stays unused."""
    import mlflow.pyfunc

    with _ONE_AT_A_TIME:
        pyfunc = mlflow.pyfunc.load_model(str(folder), suppress_warnings=True)
        sys.path[:] = [entry for entry in sys.path if not Path(entry).is_relative_to(folder)]
    return pyfunc
