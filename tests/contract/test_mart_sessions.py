"""Sessions on the mart: what they set, whatever the server's defaults, and how they wait for one another."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg2
import pyarrow as pa
import pytest
from mart_rows import INPUT, TABLES, batch, input_rows

from xflow.adapters.greenplum import GreenplumMart
from xflow.adapters.greenplum_server import GreenplumServer, lock, scalar
from xflow.adapters.lineage import GreenplumLineage
from xflow.errors import ServiceUnavailable
from xflow.refs import RunKey
from xflow.settings import Settings

pytestmark = pytest.mark.services

# Floats of 16 and 17 digits: with extra_float_digits = 0 each comes back as another one.
FLOATS = [144.0185823384668, 0.1 + 0.2, 1e15 + 1, 5e-324, 1.7976931348623157e308, -1 / 3]
SESSIONS = 30  # more than a resource queue of Greenplum has slots


def told(server: GreenplumServer, expression: str, *values: object) -> object:
    with server.transaction("ask") as cursor:
        cursor.execute(f"SELECT {expression}", values)
        return scalar(cursor)


def test_the_defaults_of_the_server_are_others(stores: Settings) -> None:
    """What the tests of this folder run against: a plain session loses the last digits."""
    with psycopg2.connect(stores.greenplum_dsn) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 144.0185823384668::double precision, current_setting('timezone')")
        assert cursor.fetchone() == (144.018582338467, "Asia/Tokyo")
    connection.close()


def test_every_digit_of_a_float_comes_back(stores: Settings, key: RunKey) -> None:
    mart = GreenplumMart(stores.greenplum_dsn)
    mart.prepare(key.pipeline, TABLES)
    rows = batch(len(FLOATS)).set_column(3, "value", pa.array(FLOATS))
    mart.load(key, [input_rows(key, [rows.cast(INPUT)])], {})
    lineage = GreenplumLineage(stores.greenplum_dsn)
    (found,) = lineage.rows(key, f"{key.pipeline}_input", INPUT, "row_id")
    assert found.column("value").to_pylist() == FLOATS
    assert lineage.row(key, f"{key.pipeline}_input", INPUT, row_id=0)["value"] == FLOATS[0]


def test_times_are_compared_in_utc(stores: Settings) -> None:
    server = GreenplumServer(stores.greenplum_dsn)
    assert told(server, "timestamp '2026-01-01 10:00' = %s", datetime(2026, 1, 1, 10, tzinfo=UTC))
    assert told(server, "timestamp '2026-02-01'::text") == "2026-02-01 00:00:00"


def test_statements_neither_loop_nor_are_compiled(stores: Settings) -> None:
    for setting in ("enable_nestloop", "jit"):
        assert told(GreenplumServer(stores.greenplum_dsn), f"current_setting('{setting}')") == "off"


def test_options_of_the_address_are_kept(stores: Settings) -> None:
    server = GreenplumServer(f"{stores.greenplum_dsn}?options=-c%20work_mem%3D7MB%20-c%20extra_float_digits%3D0")
    assert told(server, "current_setting('work_mem')") == "7MB"
    assert told(server, "current_setting('extra_float_digits')") == "3"


def test_who_waits_for_a_lock_has_no_statement_running(stores: Settings, key: RunKey) -> None:
    """Greenplum runs so many statements at once; those that wait must leave room for the one that has the lock."""
    mart, watcher = GreenplumMart(stores.greenplum_dsn), psycopg2.connect(stores.greenplum_dsn)
    mart.prepare(key.pipeline, TABLES)
    watcher.autocommit = True
    waiting = (
        "SELECT count(*), sum(CASE WHEN wait_event_type = 'Lock' THEN 1 ELSE 0 END) FROM pg_stat_activity "
        "WHERE application_name = 'xflow' AND query LIKE 'SELECT pg_try_advisory_xact_lock%'"
    )
    with ThreadPoolExecutor(SESSIONS) as pool, watcher.cursor() as cursor:
        with mart.transaction("hold the lock of a run") as holder:
            lock(holder, str(key))
            loads = [pool.submit(mart.load, key, [input_rows(key, [batch(2)])], {}) for _ in range(SESSIONS)]
            for _ in range(2_000):
                cursor.execute(waiting)
                asking, stuck = cursor.fetchone()
                assert not stuck
                if asking > SESSIONS:
                    break
                time.sleep(0.01)
            else:
                pytest.fail(f"{asking} of {SESSIONS} sessions wait")
        assert [load.result()[0].rows for load in loads] == [2] * SESSIONS
    watcher.close()
    assert mart.count(key, f"{key.pipeline}_input") == 2


def test_a_lock_that_is_never_free_is_told(stores: Settings, key: RunKey) -> None:
    server = GreenplumServer(stores.greenplum_dsn)
    with server.transaction("hold a lock") as holder:
        lock(holder, str(key))
        lock(holder, str(key))  # who has it may ask again
        with (
            pytest.raises(ServiceUnavailable, match=r"another transaction has had the lock .* for 0 s"),
            server.transaction("wait for it") as other,
        ):
            lock(other, str(key), seconds=0)
    with server.transaction("after its end") as other:
        lock(other, str(key), seconds=0)


def test_a_lock_goes_with_a_session_that_breaks(stores: Settings, key: RunKey) -> None:
    server, held = GreenplumServer(stores.greenplum_dsn), threading.Event()

    def broken() -> None:
        with server.transaction("hold a lock") as holder:
            lock(holder, str(key))
            held.set()
            raise ServiceUnavailable("it broke")

    with pytest.raises(ServiceUnavailable, match="it broke"):
        broken()
    assert held.is_set()
    with server.transaction("after it broke") as other:
        lock(other, str(key))
