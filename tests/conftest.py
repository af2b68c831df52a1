"""Real servers for the tests that need them: a stack of their own, on free ports, gone afterwards."""

import fcntl
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from xflow.refs import RunKey
from xflow.settings import REPOSITORY, Settings, read_env_file

if TYPE_CHECKING:
    from stack import Stack

# A busy machine makes no example wrong.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let end-to-end tests run on servers of this machine or on containers."""
    parser.addoption("--way", choices=["native", "docker"], default="native", help="how the whole stack is started")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Give two processes a stack each: the stores in one, Airflow in the other; unit tests fill up what ends first.

    xdist hands out the largest scopes first, and those of the unit tests are of one test each.
    """
    return _TwoStacks(config, log)


class _TwoStacks(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        folder = nodeid.split("/")[1]
        return {"unit": nodeid, "dags": "airflow", "e2e": "airflow", "containers": "airflow"}.get(folder, "stores")


def start_sh(home: Path, *arguments: str, way: str = "native") -> None:
    """Run start.sh on a stack that lies in `home`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XFLOW_")}
    environment |= {"XFLOW_HOME": str(home), "XFLOW_ENV_FILE": str(home / "env")}
    command = [REPOSITORY / "start.sh", *arguments, f"--{way}"]
    # A free port is chosen before somebody listens on it: two stacks that start at once could choose the same one.
    with Path(tempfile.gettempdir(), f"xflow-test-{os.getuid()}.lock").open("w") as turn:
        if arguments[0] == "up":
            fcntl.flock(turn, fcntl.LOCK_EX)
        subprocess.run(command, check=True, env=environment, cwd=REPOSITORY)


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


@pytest.fixture(scope="session")
def natively(request: pytest.FixtureRequest) -> None:
    """Skip, with ``--way docker``, a long test to which containers add nothing."""
    if request.config.getoption("--way") == "docker":
        pytest.skip("the same DAGs and servers as natively, where this is tested")


@pytest.fixture(scope="session")
def whole_stack_home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Start everything from nothing; return the folder of the stack, which is gone at the end.

    ``--way`` says whether of servers or of containers. A running stack is used instead when
    ``XFLOW_TEST_WHOLE_HOME`` names its folder; it is left running.
    """
    given = os.environ.get("XFLOW_TEST_WHOLE_HOME")
    if given:
        yield Path(given)
        return
    home, way = tmp_path_factory.mktemp("stack"), request.config.getoption("--way")
    try:
        if way == "docker":
            start_sh(home, "env", way=way)
            with (home / "env").open("a", encoding="utf-8") as env:
                env.write("XFLOW_WORKERS=3\n")
        start_sh(home, "up", way=way)
        yield home
    finally:
        start_sh(home, "reset", "--yes", way=way)


@pytest.fixture(scope="session")
def stack_of(whole_stack_home: Path) -> Callable[[str], "Stack"]:
    """Return the whole stack as tests of one pipeline see it."""
    from stack import Stack  # MLflow's client takes seconds

    return lambda pipeline: Stack(whole_stack_home, pipeline)


@pytest.fixture
def key() -> RunKey:
    """A run of a pipeline that no other test uses."""
    return RunKey(pipeline=f"t_{uuid.uuid4().hex[:12]}", kind="train", run_id="manual__2026-11-21T10:00:00+00:00")
