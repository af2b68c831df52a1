"""docker/airflow/healthy.py: each check passes on what is well and fails on what is not, and says why."""

import contextlib
import http.server
import importlib.util
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import quote

import psycopg2
import pytest

from xflow.settings import REPOSITORY, Settings, read_env_file

HEALTHY = REPOSITORY / "docker" / "airflow" / "healthy.py"
CONFIG = REPOSITORY / "docker" / "airflow" / "config"

# A worker whose broker lives in its own process; it needs no pool to send heartbeats.
WORKER = """
import sys
sys.argv = ["airflow", "celery", "worker"]
import airflow_local_settings
from celery import Celery
Celery(broker="memory://").worker_main(["worker", "--pool", "solo"])
"""


def check(service: str, **variables: str) -> str:
    """Return what is wrong, nothing when all is well."""
    done = subprocess.run(
        [sys.executable, HEALTHY, service], env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1 if done.stderr else 0, "")
    assert done.stderr.count("\n") <= 1
    return done.stderr


@pytest.fixture
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("healthy", HEALTHY)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@contextlib.contextmanager
def api_server(status: int, body: str) -> Iterator[str]:
    """Serve one page of health, and give the port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/api/v2/monitor/health" else 404)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield str(server.server_port)
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "database", "said"),
    [(200, "healthy", ""), (200, "unhealthy", "metadata database does not answer"), (500, "healthy", "answered HTTP")],
)
def test_the_api_server_is_healthy_when_it_answers_and_reaches_its_database(
    status: int, database: str, said: str
) -> None:
    with api_server(status, f'{{"metadatabase":{{"status":"{database}"}},"scheduler":{{"status":"healthy"}}}}') as port:
        found = check("api-server", AIRFLOW__API__PORT=port)
    assert said in found
    assert bool(found) == bool(said)


def test_an_api_server_that_does_not_listen_is_not_healthy(closed_port: int) -> None:
    assert "refused" in check("api-server", AIRFLOW__API__PORT=str(closed_port))


@pytest.fixture
def jobs(stores: Settings, stack_home: Path) -> Iterator[tuple[str, psycopg2.extensions.connection]]:
    """Give an empty table of jobs, as the address of its schema and a connection."""
    env, name = read_env_file(stack_home / "env"), f"health_{uuid.uuid4().hex[:8]}"
    address = f"airflow:{env['XFLOW_AIRFLOW_DB_PASSWORD']}@127.0.0.1:{env['XFLOW_POSTGRES_PORT']}/airflow"
    uri = f"postgresql://{address}?options={quote(f'-csearch_path={name}')}"
    connection = psycopg2.connect(uri)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {name}")
        cursor.execute("CREATE TABLE job (job_type varchar, hostname varchar, latest_heartbeat timestamptz)")
        yield uri.replace("postgresql://", "postgresql+psycopg2://"), connection
        cursor.execute(f"DROP SCHEMA {name} CASCADE")
    connection.close()


@pytest.mark.services
@pytest.mark.parametrize(
    ("job_type", "host", "age", "said"),
    [
        ("SchedulerJob", socket.gethostname(), 3, ""),
        ("SchedulerJob", socket.gethostname(), 100, "the last heartbeat was 1"),
        ("SchedulerJob", "another-replica", 3, "no heartbeat since the start"),
        ("TriggererJob", socket.gethostname(), 3, "no heartbeat since the start"),
    ],
)
def test_a_scheduler_is_healthy_by_its_own_heartbeat(
    jobs: tuple[str, psycopg2.extensions.connection], job_type: str, host: str, age: int, said: str
) -> None:
    uri, connection = jobs
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO job VALUES (%s, %s, now() - interval '1 day')", (job_type, host))
        cursor.execute("INSERT INTO job VALUES (%s, %s, now() - %s * interval '1 second')", (job_type, host, age))
    found = check("scheduler", AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=uri)
    assert said in found
    assert bool(found) == bool(said)


def test_a_database_that_is_down_is_named_without_its_password(closed_port: int) -> None:
    uri = f"postgresql+psycopg2://airflow:a-secret@127.0.0.1:{closed_port}/airflow"
    found = check("triggerer", AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=uri)
    assert str(closed_port) in found
    assert "a-secret" not in found


def test_a_worker_is_healthy_while_its_heartbeats_are_fresh(tmp_path: Path) -> None:
    variables = {"TMPDIR": str(tmp_path)}
    assert "no heartbeat since the start" in check("worker", **variables)
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER],
        env=os.environ | variables | {"PYTHONPATH": str(CONFIG)},
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 300
        while check("worker", **variables):
            assert process.poll() is None
            assert time.monotonic() < deadline
        heartbeat = tmp_path / "worker-heartbeat"
        first = heartbeat.stat().st_mtime
        while heartbeat.stat().st_mtime == first:
            assert time.monotonic() < deadline
    finally:
        process.kill()
        process.wait()
    long_ago = time.time() - 100
    os.utime(heartbeat, (long_ago, long_ago))
    assert "the last heartbeat was 1" in check("worker", **variables)


def test_a_heartbeat_of_before_the_start_is_the_predecessors(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 0 < module.seconds_since_start() < time.clock_gettime(time.CLOCK_BOOTTIME)
    monkeypatch.setattr(module, "seconds_since_start", lambda: 4.0)
    module.check_age(3.0)
    with pytest.raises(module.Unhealthy, match="since the start"):
        module.check_age(5.0)


def test_a_check_imports_neither_airflow_nor_celery() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", HEALTHY, "triggerer"],
        env=os.environ | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://127.0.0.1:9/none"},
        capture_output=True,
        text=True,
        check=False,
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "psycopg2" in imported
    assert not imported & {"airflow", "celery", "kombu", "sqlalchemy", "requests"}


def test_an_unknown_service_is_refused() -> None:
    assert "which service? One of api-server, worker, scheduler" in check("web")
