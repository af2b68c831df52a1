"""What the contract tests share: a line to a server that a test can cut, and vacancy histories."""

import contextlib
import itertools
import socket
import threading
import uuid
from collections.abc import Iterator, Sequence

import pytest
from vacancy_lives import RATES, Make, Snapshot

from xflow.adapters.vacancy_history import GreenplumHistory
from xflow.refs import ModelVersionRef, RunKey
from xflow.settings import Settings


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
