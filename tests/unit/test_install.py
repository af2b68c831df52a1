"""What start.sh installs natively: packages that say nothing of their own when a person first runs something."""

import importlib.util
from pathlib import Path

import pytest


@pytest.mark.parametrize("package", ["etna", "pandas", "evidently", "utilsforecast", "mlflow"])
def test_a_package_is_compiled_when_it_is_installed(package: str) -> None:
    """Python warns of invalid escape sequences, which ETNA has thirty of, when it compiles: not in the first run."""
    (folder,) = importlib.util.find_spec(package).submodule_search_locations
    modules = [path for path in Path(folder).rglob("*.py") if "test" not in str(path.relative_to(folder))]
    assert len(modules) > 10
    lacking = [path for path in modules if not Path(importlib.util.cache_from_source(str(path))).exists()]
    assert lacking == []
