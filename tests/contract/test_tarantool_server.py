"""A Tarantool of the test's own, with little memory, that it may kill."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from feature_blocks import FACTS, block, names, stored

from xflow.adapters.tarantool import TarantoolFeatures
from xflow.errors import ServiceUnavailable
from xflow.ports import SeriesBlock
from xflow.refs import RunKey
from xflow.settings import REPOSITORY, Settings

MEMORY = 64 * 1024**2


class Server:
    """A server with the product's own init.lua."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port = listener.getsockname()[1]
        self.uri = f"tarantool://xflow:secret@127.0.0.1:{self._port}"
        self._environment = os.environ | {
            "XFLOW_TARANTOOL_LISTEN": f"127.0.0.1:{self._port}",
            "XFLOW_TARANTOOL_DATA": str(folder),
            "XFLOW_TARANTOOL_MEMORY": str(MEMORY),
            "XFLOW_TARANTOOL_PASSWORD": "secret",
        }
        self._log = folder / "server.log"
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [shutil.which("tarantool"), REPOSITORY / "docker/tarantool/init.lua"],
                env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        for _ in range(2400):
            try:
                TarantoolFeatures(self.uri).purge("none", 0)
            except ServiceUnavailable:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(self._log.read_text())

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def own_server(stores: Settings, tmp_path: Path) -> Iterator[Server]:
    """The stack is asked for because its start installs Tarantool."""
    server = Server(tmp_path)
    yield server
    server.kill()


@pytest.mark.services
def test_a_server_without_memory_keeps_what_is_ready(own_server: Server, key: RunKey) -> None:
    features = TarantoolFeatures(own_server.uri)
    first = features.write(key, FACTS, [block("a", 100_000)])
    with pytest.raises(ServiceUnavailable, match="out of memory"):
        features.write(key, FACTS, (block(f"s{i}", 30_000) for i in range(1000)))
    assert stored(own_server.uri, key) == [("ready", 4)]
    assert names(features, first) == ["a"]
    # The memory of the broken set is free again.
    other = key.model_copy(update={"run_id": "another"})
    assert features.write(other, FACTS, (block(f"s{i}", 30_000) for i in range(60))).entities == 60


@pytest.mark.services
@pytest.mark.filterwarnings("ignore::tarantool.error.NetworkWarning")
def test_a_server_killed_in_the_middle_keeps_what_is_ready(own_server: Server, key: RunKey) -> None:
    features = TarantoolFeatures(own_server.uri)
    first = features.write(key, FACTS, [block(f"s{i}") for i in range(3000)])

    def deadly() -> Iterator[SeriesBlock]:
        yield from (block(f"s{i}", 7) for i in range(2500))
        own_server.kill()
        yield from (block(f"t{i}", 7) for i in range(2500))

    with pytest.raises(ServiceUnavailable):
        features.write(key, FACTS, deadly())
    own_server.start()
    assert stored(own_server.uri, key) == [("ready", 3000)]
    assert len(names(features, first)) == 3000
    second = features.write(key, FACTS, [block("b")])
    assert names(features, second) == ["b"]
