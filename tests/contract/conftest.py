"""What the contract tests share: what is sent to the mart, a line that a test can cut, and vacancy histories."""

import contextlib
import itertools
import socket
import threading
import uuid
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest
from vacancy_lives import RATES, Make, Snapshot

from portable_sql import faults, shaped
from xflow.adapters.vacancy_history import GreenplumHistory
from xflow.refs import ModelVersionRef, RunKey
from xflow.settings import Settings, read_env_file

# What a server, a database or a role may have set otherwise; before PostgreSQL 12 floats are shortened by default.
OTHER_DEFAULTS = {"extra_float_digits": "0", "timezone": "Asia/Tokyo", "datestyle": "SQL, DMY", "enable_nestloop": "on"}
ACCOUNTS = ("XFLOW_GREENPLUM_DSN", "XFLOW_READER_DSN", "XFLOW_SERVING_DSN")


@pytest.fixture(scope="session")
def stores(stores: Settings, stack_home: Path) -> Settings:
    """The stores, whose database answers the product's accounts by other defaults than PostgreSQL 15 has."""
    env = read_env_file(stack_home / "env")
    for name in filter(env.get, ACCOUNTS):
        connection = psycopg2.connect(env[name])
        with connection, connection.cursor() as cursor:
            for setting, value in OTHER_DEFAULTS.items():
                cursor.execute(f"ALTER ROLE {connection.info.user} SET {setting} = %s", (value,))
        connection.close()
    return stores


class Sent:
    """The statements that the product has sent to the mart, each once as `portable_sql.shaped` writes it."""

    def __init__(self) -> None:
        self.shapes: set[str] = set()
        self.wrong: dict[str, list[str]] = {}

    def add(self, statement: bytes | None) -> None:
        text = (statement or b"").decode("utf-8", "replace")
        shape = shaped(text)
        if shape not in self.shapes:
            self.shapes.add(shape)
            self.wrong |= {text: found} if (found := faults(text)) else {}


SENT = Sent()


@cache
def watched(base: type[psycopg2.extensions.cursor]) -> type[psycopg2.extensions.cursor]:
    """Return a kind of cursor that notes what it sends."""

    class Watched(base):
        def execute(self, query: Any, values: Any = None) -> None:
            try:
                super().execute(query, values)
            finally:
                SENT.add(self.query)

        def copy_expert(self, query: Any, *more: Any) -> None:
            try:
                super().copy_expert(query, *more)
            finally:
                SENT.add(self.query)

    return Watched


@pytest.fixture(scope="session", autouse=True)
def statements_are_watched() -> Iterator[None]:
    """Note every statement of a session that the product opens in this process; it names itself xflow."""
    connect = psycopg2.connect

    def watching(dsn: str, cursor_factory: Any = None, **more: Any) -> Any:
        if more.get("application_name") == "xflow":
            cursor_factory = watched(cursor_factory or psycopg2.extensions.cursor)
        return connect(dsn, cursor_factory=cursor_factory, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg2, "connect", watching)
        yield


@pytest.fixture(autouse=True)
def statements_are_portable() -> Iterator[None]:
    """Fail a test whose statements Greenplum 6 or 7 would refuse, or answer otherwise than PostgreSQL."""
    yield
    wrong, SENT.wrong = SENT.wrong, {}
    assert wrong == {}, "statements that Greenplum would not take"


class Line:
    """A TCP line to a server that hangs up on both ends when told, or after so many bytes from the server."""

    def __init__(self, host: str, port: int, cut_after: int) -> None:
        self._target, self._left = (host, port), cut_after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends = [self._listener]
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def cut(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut()
        for thread in self._threads:
            thread.join()
        for end in self._ends:
            end.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._ends.append(client)
                server = socket.create_connection(self._target)
                self._ends.append(server)
                for route in ((client, server, False), (server, client, True)):
                    self._threads.append(threading.Thread(target=self._pump, args=route))
                    self._threads[-1].start()

    def _pump(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if counted:
                    self._left -= len(data)
                    if self._left < 0:
                        break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def cut_line() -> Iterator[type[Line]]:
    """Make lines; they close with the test."""
    made = []

    def make(host: str, port: int, cut_after: int) -> Line:
        made.append(Line(host, port, cut_after))
        return made[-1]

    yield make
    for line in made:
        line.close()


@pytest.fixture
def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def history_of(stores: Settings, key: RunKey) -> "Make":
    """Make a history of snapshots, ingested in the order given."""
    numbers = itertools.count()

    def make(snapshots: Sequence[Snapshot], **limits: int) -> GreenplumHistory:
        made = GreenplumHistory(stores.greenplum_dsn, f"{key.pipeline}_{next(numbers)}", **limits)
        made.prepare()
        for one in snapshots:
            assert made.ingest(one.ref, RATES, one.rows())
        return made

    return make


@pytest.fixture(scope="session")
def deployable(stack: Settings) -> list[ModelVersionRef]:
    """Three versions of a model, the second of which is the champion; the third is the first again. None changes them.

    Their intervals have the widths 1, 2 and 1; see `small_models.small_version`.
    """
    from small_models import small_version
    from xflow.adapters.mlflow_registry import MlflowRegistry  # MLflow's client takes seconds

    registry = MlflowRegistry(stack.mlflow_uri, stack.mlflow_username, stack.mlflow_password)
    name = f"t_{uuid.uuid4().hex[:12]}"
    made = [small_version(registry, name, width) for width in (1.0, 2.0)]
    registry.promote(made[1], None)
    run_id = registry.open_run(RunKey(pipeline=name, kind="train", run_id="the first again"), {}, {})
    model = registry.facts(made[0].mlflow_run_id)["tags"]["xflow.model_uri"]
    return [*made, registry.register(name, run_id, model, {}, "")]
