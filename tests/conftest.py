"""Real servers for the tests that need them: a stack of their own, on free ports, gone afterwards."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xflow.refs import RunKey
from xflow.settings import REPOSITORY, Settings, read_env_file


def start_sh(home: Path, *arguments: str) -> None:
    """Run start.sh on a stack that lies in `home`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XFLOW_")}
    environment |= {"XFLOW_HOME": str(home), "XFLOW_ENV_FILE": str(home / "env")}
    subprocess.run([REPOSITORY / "start.sh", *arguments, "--native"], check=True, env=environment, cwd=REPOSITORY)


@pytest.fixture(scope="session")
def run_start_sh() -> Callable[..., None]:
    """Return `start_sh`, for tests that start a stack of their own."""
    return start_sh


@pytest.fixture(scope="session")
def stack_home() -> Iterator[Path]:
    """Folder of the throw-away stack; its servers start when a test asks for them and stop at the end.

    A running stack is used instead when ``XFLOW_TEST_HOME`` names its folder; it is left running.
    """
    given = os.environ.get("XFLOW_TEST_HOME")
    if given:
        yield Path(given)
        return
    home = Path(tempfile.mkdtemp(prefix="xflow-test-"))
    try:
        yield home
    finally:
        start_sh(home, "stop")
        # PostgreSQL's data may lie elsewhere, where its account can reach it.
        shutil.rmtree((home / "postgres").resolve(), ignore_errors=True)
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def stores(stack_home: Path) -> Settings:
    """Start PostgreSQL, Tarantool and S3; return where they are."""
    start_sh(stack_home, "up", "--services", "postgres,tarantool,s3")
    return Settings.from_env(read_env_file(stack_home / "env"))


@pytest.fixture(scope="session")
def stack(stores: Settings, stack_home: Path) -> Settings:
    """Start the MLflow server as well; return where everything is."""
    start_sh(stack_home, "up", "--services", "mlflow")
    return stores


@pytest.fixture
def key() -> RunKey:
    """A run of a pipeline that no other test uses."""
    return RunKey(pipeline=f"t_{uuid.uuid4().hex[:12]}", kind="train", run_id="manual__2026-11-21T10:00:00+00:00")
