"""Real servers for the tests that need them: a stack of their own, on free ports, gone afterwards."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from hypothesis import is_hypothesis_test
from xdist.scheduler import LoadScopeScheduling

from xflow.refs import RunKey
from xflow.settings import REPOSITORY, Settings, read_env_file

if TYPE_CHECKING:
    from stack import Stack

MART_PASSWORDS = ("XFLOW_MART_PASSWORD", "XFLOW_READER_PASSWORD", "XFLOW_SERVING_DB_PASSWORD")

# A busy machine makes no example wrong, and a run that passed passes again.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.register_profile(
    "random", deadline=None, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what a person may choose: the way of the whole stack, and how far to search for what breaks a property."""
    parser.addoption("--way", choices=["native", "docker"], default="native", help="how the whole stack is started")
    mart = "an administrator's DSN of another Greenplum or PostgreSQL, for the tests of the stores; see testing.md"
    parser.addoption("--greenplum-dsn", default="", help=mart)
    searched = "try this many times the examples of each property, at random; without it the same few in every run"
    parser.addoption("--times-examples", type=int, default=0, help=searched)


def pytest_configure(config: pytest.Config) -> None:
    """Choose how properties are searched, before a test is read."""
    hypothesis.settings.load_profile("random" if config.getoption("--times-examples") else "repeatable")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Multiply the examples of every property, also of those that state a number of their own."""
    times = config.getoption("--times-examples")
    for item in items:
        test = getattr(item, "obj", None)
        if times and is_hypothesis_test(test):
            stated = test._hypothesis_internal_use_settings
            more = hypothesis.settings(stated, max_examples=stated.max_examples * times)
            test._hypothesis_internal_use_settings = more


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
    with turn("ports") if arguments[0] == "up" else contextlib.nullcontext():
        subprocess.run(command, check=True, env=environment, cwd=REPOSITORY)


@contextlib.contextmanager
def turn(what: str) -> Iterator[None]:
    """Wait until no other process of this user does the same."""
    with Path(tempfile.gettempdir(), f"xflow-test-{os.getuid()}-{what}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def run_start_sh() -> Callable[..., None]:
    """Return `start_sh`, for tests that start a stack of their own."""
    return start_sh


def use_greenplum(home: Path, dsn: str) -> None:
    """Give the mart's accounts on another server passwords that every process of this run knows, and name them in .env.

    Made of the DSN: processes that test side by side share the accounts.
    """
    secrets = {name: hashlib.sha256(f"{name} {dsn}".encode()).hexdigest()[:32] for name in MART_PASSWORDS}
    script = [sys.executable, REPOSITORY / "docker/greenplum/accounts.py"]
    with turn("accounts"):
        subprocess.run(script, check=True, env=os.environ | secrets | {"XFLOW_GREENPLUM_ADMIN_DSN": dsn})
    place = dsn.rpartition("@")[2]
    lines = secrets | {"XFLOW_STACK_GREENPLUM_DSN": f"postgresql://xflow:{secrets['XFLOW_MART_PASSWORD']}@{place}"}
    (home / "env").write_text("".join(f"{name}={value}\n" for name, value in lines.items()), encoding="utf-8")


@pytest.fixture(scope="session")
def stack_home(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Folder of the throw-away stack; its servers start when a test asks for them and stop at the end.

    A running stack is used instead when ``XFLOW_TEST_HOME`` names its folder; it is left running. With
    ``--greenplum-dsn`` the stack's mart is the one of that server.
    """
    given = os.environ.get("XFLOW_TEST_HOME")
    if given:
        yield Path(given)
        return
    home = Path(tempfile.mkdtemp(prefix="xflow-test-"))
    try:
        if dsn := request.config.getoption("--greenplum-dsn"):
            use_greenplum(home, dsn)
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
                # A killed worker's tasks are tried again sooner; the api-server is away for less when it restarts.
                env.write("XFLOW_WORKERS=3\nXFLOW_TASK_LOST_SECONDS=60\n")
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
