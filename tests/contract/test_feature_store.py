"""One suite over the feature stores: the fake and Tarantool."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import numpy as np
import pytest
import tarantool
import tarantool.error

from xflow.adapters.memory import MemoryFeatures
from xflow.adapters.tarantool import TarantoolFeatures, mapped
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
from xflow.ports import FeatureStore, SeriesBlock
from xflow.refs import FeatureSetRef, RunKey
from xflow.settings import Settings

FACTS = {"freq": "M", "exogenous": "price"}
HOSTILE_IDS = ["", " ", "\x00", "a\x00b", "\n", "'", '"', "\\", "é", "ряд", "\uffff", "😀", "x" * 10_000, "A", "a"]


@pytest.fixture
def server(stores: Settings) -> TarantoolFeatures:
    return TarantoolFeatures(stores.tarantool_uri)


@pytest.fixture(params=["memory", pytest.param("tarantool", marks=pytest.mark.services)])
def features(request: pytest.FixtureRequest) -> FeatureStore:
    return MemoryFeatures() if request.param == "memory" else request.getfixturevalue("server")


def block(name: str, length: int = 3, columns: int = 0, first: float = 0.0) -> SeriesBlock:
    values = np.arange(length, dtype=float) + first
    exogenous = np.arange((length + 2) * columns, dtype=float).reshape(length + 2 if columns else 0, columns)
    return SeriesBlock(series_id=name, start=-5, values=values, exogenous=exogenous, origin_row_id=2**60 + length)


def assert_same(found: Iterable[SeriesBlock], wanted: Iterable[SeriesBlock]) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert (one.series_id, one.start, one.origin_row_id) == (other.series_id, other.start, other.origin_row_id)
        assert one.values.dtype == one.exogenous.dtype == np.dtype("<f8")
        assert one.exogenous.shape == other.exogenous.shape
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.exogenous, other.exogenous)


def names(features: FeatureStore, ref: FeatureSetRef) -> list[str]:
    return [found.series_id for found in features.read(ref)[1]]


def test_a_set_comes_back_sorted(features: FeatureStore, key: RunKey) -> None:
    blocks = [block(f"s{i % 7}-{i}", 1 + i % 5, columns=2) for i in range(2500)]
    ref = features.write(key, FACTS, iter(blocks))
    assert (ref.series, ref.rows) == (2500, sum(len(b.values) for b in blocks))
    facts, found = features.read(ref)
    assert facts == FACTS
    assert_same(found, sorted(blocks, key=lambda b: b.series_id))


def test_long_series_come_back(features: FeatureStore, key: RunKey) -> None:
    blocks = [block("a", 500_000), block("b", 1), block("c", 40_000, columns=3), block("d", 0, columns=2)]
    assert_same(features.read(features.write(key, FACTS, blocks))[1], blocks)


def test_hostile_ids_come_back(features: FeatureStore, key: RunKey) -> None:
    ref = features.write(key, {}, [block(name) for name in HOSTILE_IDS])
    assert names(features, ref) == sorted(HOSTILE_IDS)


def test_the_order_of_writing_does_not_matter(features: FeatureStore, key: RunKey) -> None:
    blocks = [block("a", 4), block("b", 5)]
    assert features.write(key, FACTS, blocks) == features.write(key, FACTS, blocks[::-1])


@pytest.mark.parametrize(
    "other",
    [
        ({"freq": "D"}, [block("a")]),
        (FACTS, [block("b")]),
        (FACTS, [block("a", first=1.0)]),
        (FACTS, [block("a", columns=1)]),
        (FACTS, [block("a"), block("b")]),
        (FACTS, []),
    ],
    ids=["facts", "id", "values", "exogenous", "more", "none"],
)
def test_other_content_has_another_checksum(
    features: FeatureStore, key: RunKey, other: tuple[dict[str, str], list[SeriesBlock]]
) -> None:
    assert features.write(key, FACTS, [block("a")]).checksum != features.write(key, *other).checksum


def test_a_set_without_series(features: FeatureStore, key: RunKey) -> None:
    ref = features.write(key, FACTS, [])
    assert (ref.series, ref.rows, names(features, ref)) == (0, 0, [])


def test_a_set_is_replaced_whole(features: FeatureStore, key: RunKey) -> None:
    first = features.write(key, FACTS, [block("a"), block("b")])
    second = features.write(key, FACTS, [block("c")])
    assert names(features, second) == ["c"]
    with pytest.raises(FeatureSetMissing):
        names(features, first)


def test_the_old_set_is_read_while_the_new_one_is_written(features: FeatureStore, key: RunKey) -> None:
    first = features.write(key, FACTS, [block("a"), block("b")])
    seen = []

    def stream() -> Iterator[SeriesBlock]:
        for i in range(3000):
            yield block(f"new-{i:04d}")
            if i % 1000 == 999:
                seen.append(names(features, first))

    second = features.write(key, FACTS, stream())
    assert seen == [["a", "b"]] * 3
    assert len(names(features, second)) == 3000


def test_a_stream_that_breaks_leaves_the_old_set(features: FeatureStore, key: RunKey) -> None:
    def broken() -> Iterator[SeriesBlock]:
        yield from (block(f"s{i}") for i in range(2500))
        raise KeyError("on the way")

    first = features.write(key, FACTS, [block("a")])
    with pytest.raises(KeyError, match="on the way"):
        features.write(key, FACTS, broken())
    assert names(features, first) == ["a"]


def test_a_series_that_comes_twice_is_refused(features: FeatureStore, key: RunKey) -> None:
    first = features.write(key, FACTS, [block("a")])
    with pytest.raises(ContractViolated, match="comes twice"):
        features.write(key, FACTS, [block("a"), block("a", 2)])
    assert names(features, first) == ["a"]


def test_purge_keeps_the_newest(features: FeatureStore, key: RunKey) -> None:
    runs = [key.model_copy(update={"run_id": f"run-{i}"}) for i in range(4)]
    refs = [features.write(run, FACTS, [block(run.run_id)]) for run in runs]
    stranger = features.write(key.model_copy(update={"pipeline": f"{key.pipeline}_2"}), FACTS, [block("a")])
    refs[0] = features.write(runs[0], FACTS, [block("run-0")])  # as it was: it counts as new all the same
    assert features.purge(key.pipeline, 2) == 2
    assert [names(features, ref) for ref in (refs[0], refs[3], stranger)] == [["run-0"], ["run-3"], ["a"]]
    for ref in refs[1:3]:
        with pytest.raises(FeatureSetMissing):
            features.read(ref)
    assert features.purge(key.pipeline, 2) == 0


def test_a_set_that_was_never_written(features: FeatureStore, key: RunKey) -> None:
    with pytest.raises(FeatureSetMissing, match=r"write_features|absent"):
        features.read(FeatureSetRef(id=str(key), series=0, rows=0, checksum="0" * 64))


# The rest needs the server.
def stored(stores: Settings, key: RunKey) -> list[tuple[str, int]]:
    """State and number of tuples of every set of a pipeline, once unfinished sets had time to go."""
    address = urlsplit(stores.tarantool_uri)
    connection = tarantool.Connection(
        address.hostname, address.port, user=address.username, password=address.password, encoding=None
    )
    try:
        for _ in range(100):
            sets = [row for row in connection.select("feature_set") if row[2].decode() == key.pipeline]
            if all(row[4] == b"ready" for row in sets):
                break
            time.sleep(0.05)
        return [(row[4].decode(), len(connection.select("feature_series", [row[0]]))) for row in sets]
    finally:
        connection.close()


@pytest.mark.services
def test_nothing_of_a_broken_stream_stays(server: TarantoolFeatures, stores: Settings, key: RunKey) -> None:
    def broken() -> Iterator[SeriesBlock]:
        yield from (block(f"s{i}") for i in range(5000))
        raise KeyError("on the way")

    server.write(key, FACTS, [block("a")])
    with pytest.raises(KeyError):
        server.write(key, FACTS, broken())
    assert stored(stores, key) == [("ready", 1)]


@pytest.mark.services
def test_nothing_of_a_replaced_set_stays(server: TarantoolFeatures, stores: Settings, key: RunKey) -> None:
    for size in (3000, 1, 2000, 2000):
        server.write(key, FACTS, [block(f"s{i}") for i in range(size)])
        assert stored(stores, key) == [("ready", size)]


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
    assert stored(stores, key) == [("ready", 1)]


@pytest.mark.services
def test_two_writers_of_one_set_at_once(server: TarantoolFeatures, stores: Settings, key: RunKey) -> None:
    together = threading.Barrier(2, timeout=20)

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
    assert stored(stores, key) == [("ready", 3000)]


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
        assert server.purge(key.pipeline, 1) == 1

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
    assert stored(stores, key) == [("ready", 1)]


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
    address = urlsplit(stores.tarantool_uri)
    connection = tarantool.Connection(
        address.hostname, address.port, user=address.username, password=address.password, encoding=None
    )
    try:
        with pytest.raises(tarantool.error.DatabaseError, match=r"(?i)write access"):
            connection.delete("feature_set", 1)
        with pytest.raises(tarantool.error.DatabaseError, match=r"(?i)execute access|create access"):
            connection.eval("return 1")
    finally:
        connection.close()


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
        TarantoolFeatures("tarantool://u:p@127.0.0.1:1").purge(key.pipeline, 1)
