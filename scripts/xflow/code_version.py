"""Which code runs: what a run's ledger row and its models say about their origin."""

import hashlib
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from xflow.settings import REPOSITORY, built_from

CODE = ("dags", "scripts", "docker/airflow/plugins")
MOUNTS = Path("/proc/self/mountinfo")
LIBRARY = Path(__file__).resolve().parent
SOURCES = (".py", ".sql")
PACKAGES = (
    "numpy",
    "optuna",
    "pandas",
    "pyarrow",
    "pydantic",
    "pymorphy3",
    "pymorphy3-dicts-ru",
    "scikit-learn",
    "scipy",
    "statsforecast",
    "ts-etna",
    "xgboost",
)
"""What computes: another version of one of these may give other figures."""


@cache
def git_commit() -> str:
    """Return the commit of the code that runs; ``unknown`` where nothing tells.

    A checkout is asked itself, and ``-dirty`` marks local changes. An image has no checkout: there it is the commit
    that the image was built from, and ``-mounted`` marks code that was mounted over the image's own, which may be of
    any version.
    """
    baked = built_from()
    if baked and not (REPOSITORY / ".git").exists():
        return f"{baked}-mounted" if _mounted() else baked
    command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _mounted() -> bool:
    """Tell whether something in the repository is mounted over a folder of code, or below one."""
    folders = [REPOSITORY / name for name in CODE]
    try:
        points = [Path(line.split()[4]) for line in MOUNTS.read_text(encoding="utf-8").splitlines()]
    except OSError:  # not Linux
        return False
    inside = [point for point in points if point.is_relative_to(REPOSITORY)]
    return any(folder.is_relative_to(point) or point.is_relative_to(folder) for point in inside for folder in folders)


@cache
def packages() -> dict[str, str]:
    """Return the installed version of each of `PACKAGES`; ``absent`` for one that is not there."""
    return {name: _version(name) for name in PACKAGES}


@cache
def code_hash() -> str:
    """Return what names the code that computes: a hash of the library's source files and of its packages' versions.

    A commit that changes documents alone leaves it as it is; a local change to a module does not.
    """
    content = hashlib.sha256(repr(sorted(packages().items())).encode())
    for path in sorted(path for path in LIBRARY.rglob("*") if path.suffix in SOURCES):
        content.update(f"\0{path.relative_to(LIBRARY).as_posix()}\0".encode())
        content.update(hashlib.sha256(path.read_bytes()).digest())
    return content.hexdigest()


def lock_hash() -> str:
    """Return the sha256 of ``uv.lock``; empty where it does not lie beside the code."""
    try:
        return hashlib.sha256((REPOSITORY / "uv.lock").read_bytes()).hexdigest()
    except OSError:
        return ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
