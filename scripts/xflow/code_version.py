"""Which code runs: what a run's ledger row and its models say about their origin."""

import subprocess
from functools import cache
from pathlib import Path

from xflow.settings import REPOSITORY, built_from

CODE = ("dags", "scripts", "docker/airflow/plugins")
MOUNTS = Path("/proc/self/mountinfo")


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
