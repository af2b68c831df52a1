"""What is logged with a model of xFlow's own code: enough, and no more."""

from pathlib import Path

import grimp
import pytest

import xflow
from xflow.adapters.model_code import PARTS, write_code


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


def test_every_part_is_needed(logged: set[str]) -> None:
    graph = grimp.build_graph("xflow", exclude_type_checking_imports=True)
    roots = {name for name in logged if name.startswith("xflow.domain")} | {"xflow.adapters.mlflow_model"}
    needed = {name for root in roots for name in graph.find_upstream_modules(root)} | roots
    packages = {name.rpartition(".")[0] for name in needed}
    assert logged <= needed | packages


def test_what_was_compiled_is_left_out(tmp_path: Path) -> None:
    files = [path for path in write_code(tmp_path).rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".py"}
    assert len(files) < len(list(Path(xflow.__file__).parent.rglob("*.py"))) / 2
    assert all((tmp_path / "xflow" / part).exists() for part in PARTS)
