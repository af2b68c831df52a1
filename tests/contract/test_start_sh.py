"""start.sh on a stack of its own: what it starts, what survives, and what it refuses."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import psycopg2
import pytest
import tarantool
from botocore.config import Config

from xflow.settings import REPOSITORY, Settings, read_env_file

pytestmark = pytest.mark.services

SERVERS = ("postgres", "tarantool", "s3")
UP = ("up", "--native", "--services", ",".join(SERVERS))


class Stack:
    """A throw-away stack in a folder of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, *arguments: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("XFLOW_")}
        return subprocess.run(
            [REPOSITORY / "start.sh", *arguments],
            env=environment | {"XFLOW_HOME": str(self.home)},
            input=answer,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def up(self) -> str:
        done = self.run(*UP)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def variables(self) -> dict[str, str]:
        return read_env_file(self.home / ".env")

    @property
    def settings(self) -> Settings:
        return Settings.from_env(self.variables)

    def pid(self, server: str) -> int:
        return int((self.home / "run" / f"{server}.pid").read_text().split()[0])

    @property
    def pids(self) -> dict[str, int]:
        return {server: self.pid(server) for server in SERVERS}

    def execute(self, sql: str) -> list[tuple[object, ...]]:
        connection = psycopg2.connect(self.settings.greenplum_dsn)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    @property
    def bucket(self) -> object:
        found = self.settings
        session = boto3.Session(found.s3_access_key, found.s3_secret_key, region_name="us-east-1")
        # Right after a start on a busy machine SeaweedFS may ask to try again, which boto3 does twice by itself.
        patient = Config(retries={"mode": "standard", "max_attempts": 8})
        return session.resource("s3", endpoint_url=found.s3_endpoint, config=patient).Bucket(found.s3_bucket)

    def ping(self) -> float:
        address = self.settings.tarantool_uri.removeprefix("tarantool://")
        user, _, place = address.rpartition("@")
        host, _, port = place.partition(":")
        name, _, password = user.partition(":")
        connection = tarantool.Connection(host, int(port), user=name, password=password)
        try:
            return connection.ping()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("stack"))
    yield stack
    assert stack.run("reset", "--yes").returncode == 0


@pytest.fixture
def stack(home: Stack) -> Stack:
    home.up()
    return home


def process_lives(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def listeners(pid: int) -> set[str]:
    """Return the local addresses, in the kernel's hexadecimal, on which a process listens."""
    sockets = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a file that was closed meanwhile
            sockets.add(str(entry.readlink()))
    found = set()
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.add(fields[1].partition(":")[0])
    return found


def test_a_second_up_changes_nothing(stack: Stack) -> None:
    pids, text = stack.pids, (stack.home / ".env").read_text()
    stack.up()
    assert (stack.pids, (stack.home / ".env").read_text()) == (pids, text)


@pytest.mark.parametrize(
    ("size", "free", "told"), [(100, 4, True), (100, 6, False), (4000, 30, True), (4000, 100, False)]
)
def test_a_disk_that_is_nearly_full_is_told(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, free: int, told: bool
) -> None:
    df = tmp_path / "df"
    df.write_text(f"#!/bin/sh\nprintf '1M-blocks Avail\\n {size * 1024}M {free * 1024}M\\n'\n")
    df.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    line = f"the disk of {stack.home} is nearly full: {free} of {size} GiB are free"
    assert (line in stack.up()) == told


def test_data_is_back_after_stop_and_up(stack: Stack) -> None:
    stack.execute("CREATE TABLE IF NOT EXISTS mart.kept (i int)")
    stack.execute("TRUNCATE mart.kept; INSERT INTO mart.kept VALUES (7)")
    stack.bucket.put_object(Key="kept", Body=b"7")
    pids = stack.pids
    assert stack.run("stop").returncode == 0
    assert not any(map(process_lives, pids.values()))
    stack.up()
    assert stack.execute("SELECT i FROM mart.kept") == [(7,)]
    assert stack.bucket.Object("kept").get()["Body"].read() == b"7"
    assert stack.ping() > 0


def test_killed_servers_come_back_with_their_data_and_addresses(stack: Stack) -> None:
    stack.execute("CREATE TABLE IF NOT EXISTS mart.killed (i int)")
    stack.execute("TRUNCATE mart.killed; INSERT INTO mart.killed VALUES (8)")
    stack.bucket.put_object(Key="killed", Body=b"8")
    before = stack.variables
    for pid in stack.pids.values():
        os.kill(pid, signal.SIGKILL)
    stack.up()
    assert stack.variables == before
    assert stack.execute("SELECT i FROM mart.killed") == [(8,)]
    assert stack.bucket.Object("killed").get()["Body"].read() == b"8"
    assert stack.ping() > 0


def test_two_at_once_start_one_stack(stack: Stack) -> None:
    assert stack.run("stop").returncode == 0
    codes: list[int] = []
    threads = [threading.Thread(target=lambda: codes.append(stack.run(*UP).returncode)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0, 0]
    assert all(map(process_lives, stack.pids.values()))


def test_a_taken_port_is_moved_and_said(stack: Stack) -> None:
    assert stack.run("stop").returncode == 0
    port = int(stack.variables["XFLOW_POSTGRES_PORT"])
    with socket.create_server(("127.0.0.1", port)):
        assert f"port {port} of postgres is taken" in stack.up()
        assert int(stack.variables["XFLOW_POSTGRES_PORT"]) != port
        assert stack.execute("SELECT 1") == [(1,)]


def test_own_lines_and_choices_in_the_env_file_stay(stack: Stack) -> None:
    with (stack.home / ".env").open("a") as file:
        file.write("MY_OWN=1=2 $(false)\n")
    stack.up()
    assert stack.variables["MY_OWN"] == "1=2 $(false)"
    assert (stack.home / ".env").stat().st_mode & 0o777 == 0o600


def test_a_process_with_the_number_of_a_stale_record_is_left_alone(stack: Stack) -> None:
    assert stack.run("stop").returncode == 0
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        (stack.home / "run" / "tarantool.pid").write_text(f"{stranger.pid} 1 {boot}\n")
        assert stack.run("stop").returncode == 0
        assert process_lives(stranger.pid)
        stranger.kill()


def test_a_server_that_dies_shows_its_log_and_fails_the_start(stack: Stack) -> None:
    assert stack.run("stop").returncode == 0
    data = stack.home / "tarantool"
    data.rename(stack.home / "aside")
    data.write_text("not a folder")
    try:
        (stack.home / "run").mkdir(exist_ok=True)
        failed = stack.run("up", "--native", "--services", "tarantool")
        assert failed.returncode == 1
        assert "tarantool" in failed.stderr
        assert "stack is not up" in failed.stderr
    finally:
        data.unlink()
        (stack.home / "aside").rename(data)


def test_no_secret_is_an_argument_or_in_a_log(stack: Stack) -> None:
    secrets = {value for name, value in stack.variables.items() if "PASSWORD" in name or "SECRET" in name}
    assert len(secrets) > 5
    for pid in stack.pids.values():
        arguments = Path(f"/proc/{pid}/cmdline").read_text()
        assert not [secret for secret in secrets if secret in arguments]
    for log in (stack.home / "logs").iterdir():
        assert not [secret for secret in secrets if secret in log.read_text()], log.name


def test_servers_listen_on_loopback_only(stack: Stack) -> None:
    for server, pid in stack.pids.items():
        assert listeners(pid) == {"0100007F"}, server


def test_status_says_what_runs(stack: Stack) -> None:
    done = stack.run("status")
    lines = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()[:4]}
    assert lines == {"postgres": "healthy", "tarantool": "healthy", "s3": "healthy", "mlflow": "stopped"}


def test_a_lost_env_file_is_not_made_anew_over_old_data(stack: Stack) -> None:
    (stack.home / ".env").rename(stack.home / "env.kept")
    try:
        refused = stack.run(*UP)
        assert refused.returncode == 1
        assert "holds the passwords" in refused.stderr
    finally:
        (stack.home / "env.kept").rename(stack.home / ".env")


def test_reset_asks_before_it_deletes(stack: Stack) -> None:
    stack.execute("CREATE TABLE IF NOT EXISTS mart.dropped (i int)")
    assert stack.run("reset", answer="n\n").returncode == 1
    assert all(map(process_lives, stack.pids.values()))
    assert stack.run("reset", "--yes").returncode == 0
    assert sorted(entry.name for entry in stack.home.iterdir()) == [".env", "lock"]
    stack.up()
    assert stack.execute("SELECT to_regclass('mart.dropped')") == [(None,)]


@pytest.mark.parametrize("arguments", [("nope",), ("up", "--services", "oracle"), ("up", "--services"), ("logs",)])
def test_wrong_usage_is_refused(stack: Stack, arguments: tuple[str, ...]) -> None:
    assert stack.run(*arguments).returncode in {1, 2}
