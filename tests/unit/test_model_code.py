"""What is logged with a model of xFlow's own code: enough, and no more."""

import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import grimp
import mlflow
import pytest

import xflow
from xflow.adapters.model_code import load_with_own_code, write_code


class Constant(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # mlflow's base is untyped
    """Answers 7 to everything."""

    def predict(self, context: Any, model_input: list[int], params: dict[str, Any] | None = None) -> int:
        return 7


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the names of the modules that are logged."""
    package = write_code(tmp_path_factory.mktemp("code"))
    return {
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in package.rglob("*.py")
    }


def test_what_is_logged_imports_nothing_that_is_not(logged: set[str]) -> None:
    graph = grimp.build_graph("xflow", exclude_type_checking_imports=True)
    assert "xflow.domain.forecaster" in logged
    assert {name for module in logged for name in graph.find_modules_directly_imported_by(module)} <= logged


def test_no_part_outside_the_domain_is_idle(logged: set[str]) -> None:
    graph = grimp.build_graph("xflow", exclude_type_checking_imports=True)
    roots = {name for name in logged if name.startswith("xflow.domain")} | {"xflow.adapters.mlflow_model"}
    needed = {name for root in roots for name in graph.find_upstream_modules(root)} | roots
    packages = {name.rpartition(".")[0] for name in needed}
    assert logged <= needed | packages


def test_what_is_no_code_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = shutil.copytree(Path(xflow.__file__).parent, tmp_path / "package")
    (package / "domain/__pycache__").mkdir(exist_ok=True)
    for stray in ("domain/__pycache__/panel.pyc", "domain/panel.py~", "domain/notes.txt"):
        (package / stray).write_text("stray")
    monkeypatch.setattr(xflow, "__file__", str(package / "__init__.py"))
    files = [path for path in write_code(tmp_path).rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".py"}
    assert len(files) < len(list(package.rglob("*.py"))) / 2


def test_a_model_that_cannot_be_loaded_leaves_nothing_on_the_path(tmp_path: Path) -> None:
    model = tmp_path / "model"
    code = [str(write_code(tmp_path))]
    mlflow.pyfunc.save_model(str(model), python_model=Constant(), code_paths=code, pip_requirements=["mlflow"])
    assert load_with_own_code(model).predict([1]) == 7
    (model / "python_model.pkl").write_bytes(b"no pickle")
    before = list(sys.path)
    with pytest.raises(pickle.UnpicklingError):
        load_with_own_code(model)
    assert sys.path == before
