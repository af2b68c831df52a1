"""What only the server shows: leftovers, concurrency, outages, grants and error codes."""

import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import tarantool
import tarantool.error
from feature_blocks import FACTS, block, names, signed_in, stored

from xflow.adapters.tarantool import TarantoolFeatures
from xflow.adapters.tarantool_server import mapped
from xflow.errors import (
    AccessDenied,
    ConfigInvalid,
    ContractViolated,
    FeatureSetMissing,
    Permanent,
    Retryable,
    ServiceUnavailable,
    XflowError,
)
from xflow.ports import SeriesBlock
from xflow.refs import FeatureSetRef, RunKey
from xflow.settings import Settings


@pytest.fixture
def server(stores: Settings) -> TarantoolFeatures:
    return TarantoolFeatures(stores.tarantool_uri)


@pytest.mark.services
def test_nothing_of_a_broken_stream_stays(server: TarantoolFeatures, stores: Settings, key: RunKey) -> None:
    def broken() -> Iterator[SeriesBlock]:
        yield from (block(f"s{i}") for i in range(5000))
        raise KeyError("on the way")

    server.write(key, FACTS, [block("a")])
    with pytest.raises(KeyError):
        server.write(key, FACTS, broken())
    assert stored(stores.tarantool_uri, key) == [("ready", 1)]


@pytest.mark.services
def test_nothing_of_a_replaced_set_stays(server: TarantoolFeatures, stores: Settings, key: RunKey) -> None:
    for size in (3000, 1, 2000, 2000):
        server.write(key, FACTS, [block(f"s{i}") for i in range(size)])
        assert stored(stores.tarantool_uri, key) == [("ready", size)]


CLIENT = """
import sys, time
import numpy as np
from xflow.adapters.tarantool import TarantoolFeatures
from xflow.ports import SeriesBlock
from xflow.refs import RunKey

def forever():
    for i in range(10**9):
        yield SeriesBlock(f"s{i}", 0, np.zeros(3), np.zeros((0, 0)), 0)
        if i % 1000 == 0:
            print("sent", flush=True)
            time.sleep(0.05)

TarantoolFeatures(sys.stdin.read()).write(RunKey.model_validate_json(sys.argv[1]), {}, forever())
"""


@pytest.mark.services
def test_a_client_killed_in_the_middle_leaves_nothing(server: TarantoolFeatures, stores: Settings, key: RunKey) -> None:
    first = server.write(key, FACTS, [block("a")])
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, key.model_dump_json()],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with client:
        client.stdin.write(stores.tarantool_uri)
        client.stdin.close()
        for _ in range(4):
            assert client.stdout.readline() == "sent\n"
        client.send_signal(signal.SIGKILL)
    assert names(server, first) == ["a"]
    assert stored(stores.tarantool_uri, key) == [("ready", 1)]


@pytest.mark.services
def test_two_writers_of_one_set_at_once(server: TarantoolFeatures, stores: Settings, key: RunKey) -> None:
    together = threading.Barrier(2, timeout=300)

    def write(first: float) -> FeatureSetRef:
        def stream() -> Iterator[SeriesBlock]:
            for i in range(3000):
                if i % 1000 == 0:
                    together.wait()
                yield block(f"s{i}", first=first)

        return server.write(key, FACTS, stream())

    with ThreadPoolExecutor(2) as pool:
        refs = list(pool.map(write, (0.0, 1.0)))
    readable = []
    for ref in refs:
        try:
            readable.append(len(names(server, ref)))
        except FeatureSetMissing:
            continue
    assert readable == [3000]
    assert stored(stores.tarantool_uri, key) == [("ready", 3000)]


@pytest.mark.services
def test_a_set_replaced_while_it_is_read(server: TarantoolFeatures, key: RunKey) -> None:
    ref = server.write(key, FACTS, [block(f"s{i:05d}") for i in range(5000)])
    _, reading = server.read(ref)
    next(reading)
    server.write(key, FACTS, [block("a")])
    with pytest.raises(FeatureSetMissing, match="while it was read"):
        list(reading)


@pytest.mark.services
def test_purge_drops_unfinished_sets_that_are_older(server: TarantoolFeatures, key: RunKey) -> None:
    def overtaken() -> Iterator[SeriesBlock]:
        yield block("a")
        server.write(key.model_copy(update={"run_id": "newer"}), FACTS, [block("b")])
        assert server.purge(key.job, 1) == 1

    with pytest.raises(ServiceUnavailable, match="dropped"):
        server.write(key, FACTS, overtaken())


@pytest.mark.services
@pytest.mark.filterwarnings("ignore::tarantool.error.NetworkWarning")
def test_an_outage_in_the_middle(server: TarantoolFeatures, stores: Settings, key: RunKey, cut_line: object) -> None:
    address = urlsplit(stores.tarantool_uri)
    line = cut_line(address.hostname, address.port, 10**9)
    far = TarantoolFeatures(stores.tarantool_uri.replace(f":{address.port}", f":{line.port}"))
    first = server.write(key, FACTS, [block("a")])

    def cut() -> Iterator[SeriesBlock]:
        yield from (block(f"s{i}") for i in range(2000))
        line.cut()
        yield from (block(f"t{i}") for i in range(2000))

    with pytest.raises(ServiceUnavailable):
        far.write(key, FACTS, cut())
    assert names(server, first) == ["a"]
    assert stored(stores.tarantool_uri, key) == [("ready", 1)]


@pytest.mark.services
def test_wrong_credentials(stores: Settings, key: RunKey) -> None:
    address = urlsplit(stores.tarantool_uri)
    place = f"{address.hostname}:{address.port}"
    for sign_in in ("xflow:not-the-password", "nobody:not-the-password"):
        store = TarantoolFeatures(f"tarantool://{sign_in}@{place}")
        with pytest.raises(AccessDenied) as caught:
            store.write(key, FACTS, [])
        assert "not-the-password" not in str(caught.value) + repr(store)
    with pytest.raises(AccessDenied):
        TarantoolFeatures(f"tarantool://guest@{place}").write(key, FACTS, [])


@pytest.mark.services
def test_the_user_may_not_write_past_the_functions(stores: Settings) -> None:
    with signed_in(stores.tarantool_uri) as connection:
        with pytest.raises(tarantool.error.DatabaseError, match=r"(?i)write access"):
            connection.delete("feature_set", 1)
        with pytest.raises(tarantool.error.DatabaseError, match=r"(?i)execute access|create access"):
            connection.eval("return 1")


def test_no_server(closed_port: int, key: RunKey) -> None:
    with pytest.raises(ServiceUnavailable, match="no answer"):
        TarantoolFeatures(f"tarantool://u:p@127.0.0.1:{closed_port}").write(key, FACTS, [])


@pytest.mark.parametrize("uri", ["", "http://u:p@h:1", "tarantool://u:secret@h"])
def test_an_address_that_is_none(uri: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        TarantoolFeatures(uri)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "expected"),
    [(2, ServiceUnavailable), (3, ContractViolated), (33, ConfigInvalid), (42, AccessDenied), (47, AccessDenied),
     (7, ServiceUnavailable)],
)  # fmt: skip
def test_error_codes(code: int, expected: type[XflowError]) -> None:
    assert type(mapped(tarantool.error.DatabaseError(code, "said so"), "here")) is expected


DRIVER_ERRORS = [
    kind
    for kind in vars(tarantool.error).values()
    if isinstance(kind, type) and issubclass(kind, tarantool.error.Error)
]


@pytest.mark.parametrize("error", DRIVER_ERRORS, ids=lambda error: error.__name__)
def test_every_driver_error_is_mapped(monkeypatch: pytest.MonkeyPatch, key: RunKey, error: type[Exception]) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error.__new__(error)

    monkeypatch.setattr(tarantool, "Connection", fail)
    with pytest.raises((Retryable, Permanent)):
        TarantoolFeatures("tarantool://u:p@127.0.0.1:1").purge(key.job, 1)


@pytest.mark.parametrize("uri", ["tarantool://xflow:pa/ss@localhost:3301", "tarantool://xflow:pass@localhost:s3cret"])
def test_a_wrong_uri_says_what_it_should_look_like_and_shows_no_password(uri):
    with pytest.raises(ConfigInvalid, match="must look like") as caught:
        TarantoolFeatures(uri)
    shown = "".join(traceback.format_exception(caught.value))
    assert "'pa'" not in shown
    assert "s3cret" not in shown


@pytest.mark.services
def test_a_set_that_is_purged_while_it_is_found_is_not_found(server: TarantoolFeatures, key: RunKey) -> None:
    ref = server.write(key, {**FACTS, "mark": "a"}, [block("a")])
    with server._server.session(selects=True) as connection:
        (stale,) = server._server.select(connection, "feature_set", "job", key.job)
        server.purge(key.job, 0)
        assert server._renewed(connection, stale) is None
    assert server.renew(key.job, {"mark": "a"}) is None
    with pytest.raises(FeatureSetMissing):
        server.read(ref)
