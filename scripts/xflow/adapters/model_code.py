"""The part of xFlow that is logged with a model, for who loads it where xFlow is not installed."""

import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import yaml

import xflow

PARTS = (
    "__init__.py",
    "candidate_check.py",
    "candidate_params.py",
    "columns.py",
    "errors.py",
    "names.py",
    "pipeline_base.py",
    "schema.py",
    "vacancy_pipeline.py",
    "adapters/__init__.py",
    "adapters/mlflow_model.py",
    "domain",
)
"""`mlflow_model` and the domain, with what they import. Each file is a request to MLflow, and the whole package has
hundreds."""

_ONE_AT_A_TIME = threading.Lock()
"""Loading changes `sys.path`, and two at once would take no less time."""


def write_code(folder: Path) -> Path:
    """Write a package `xflow` of these parts into a folder, and return its path."""
    source, target = Path(xflow.__file__).parent, folder / "xflow"
    for part in PARTS:
        found = source / part
        for file in found.rglob("*.py") if found.is_dir() else [found]:
            copy = target / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    return target


def missing_files(folder: Path) -> list[str]:
    """Return which files that a model cannot be loaded without are not in its folder."""
    described = folder / "MLmodel"
    try:
        facts = yaml.safe_load(described.read_text(encoding="utf-8"))
        model = str(facts["flavors"]["python_function"]["python_model"])
    except FileNotFoundError:
        return [described.name]
    except (ValueError, yaml.YAMLError, LookupError, TypeError, AttributeError):
        return [f"readable {described.name}"]
    return [] if (folder / model).is_file() else [model]


def load_with_own_code(folder: Path) -> Any:
    """Return the model of a folder behind MLflow's interface; the code that was logged with it stays unused."""
    import mlflow.pyfunc

    with _ONE_AT_A_TIME:
        try:
            return mlflow.pyfunc.load_model(str(folder))
        finally:
            sys.path[:] = [entry for entry in sys.path if not Path(entry).is_relative_to(folder)]
