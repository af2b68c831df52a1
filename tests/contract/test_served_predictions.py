"""The log of served predictions in the mart: each row once, as it was, whatever becomes of the line and the server."""

import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from mart_rows import TABLES

from xflow.adapters.greenplum import GreenplumMart
from xflow.adapters.served_predictions import WRITE_LOCK, GreenplumServedPredictions
from xflow.errors import AccessDenied, ConfigInvalid, ServiceUnavailable
from xflow.serving.logged import Batch
from xflow.serving.prediction_log import LoggedPrediction, PredictionLog
from xflow.settings import Settings, read_env_file

pytestmark = pytest.mark.services

HOSTILE = ["", '"', "\\", "\\.", "\n\\.\n", "a\tb", "NULL", "\\N", "ряд 😀", "';--", "%s {}", '{"a": "\\u0000"}']


@pytest.fixture(scope="module")
def dsn(stores: Settings, stack_home: Path) -> str:
    """The service's way in, the table standing."""
    GreenplumMart(stores.greenplum_dsn).prepare("t_served", TABLES)
    return read_env_file(stack_home / "env")["XFLOW_SERVING_DSN"]


@pytest.fixture
def request_id(stores: Settings) -> Iterator[str]:
    """A request of this test alone; its rows go with the test."""
    made = f"t_{uuid.uuid4().hex}"
    yield made
    with psycopg2.connect(stores.greenplum_dsn) as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM mart.served_prediction WHERE request_id = %s", (made,))
    connection.close()


def rows(request_id: str, number: int) -> list[LoggedPrediction]:
    one = LoggedPrediction(
        served_at=datetime.now(UTC),
        request_id=request_id,
        row=0,
        pipeline="vacancies",
        target="salary",
        model_name="vacancies_salary",
        model_version="7",
        endpoint="/v1/vacancies/predict",
        caller="shop",
        entity_id="1",
        input="{}",
        output="{}",
        seconds=0.004,
    )
    return [replace(one, row=i) for i in range(number)]


def stored(stores: Settings, request_id: str, what: str = "request_row") -> list[Any]:
    connection = psycopg2.connect(stores.greenplum_dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {what} FROM mart.served_prediction WHERE request_id = %s ORDER BY request_row", (request_id,)
            )
            return [row[0] if len(row) == 1 else row for row in cursor.fetchall()]
    finally:
        connection.close()


def write(sink: GreenplumServedPredictions, batch: Batch, *, again: bool = False) -> None:
    sink.write(batch.id, batch.table(), again=again)


def moved(dsn: str, port: int) -> str:
    """Return a DSN with another port."""
    parts = urlsplit(dsn)
    return dsn.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{port}")


def test_rows_are_stored_as_they_are(stores: Settings, dsn: str, request_id: str) -> None:
    sent = [
        replace(row, entity_id=text, input=text, output=text[::-1], target=text)
        for row, text in zip(rows(request_id, len(HOSTILE)), HOSTILE, strict=True)
    ]
    batch = Batch(sent)
    write(GreenplumServedPredictions(dsn), batch)
    names = "batch_id, served_at, request_row, target, entity_id, input, output, caller, seconds"
    assert stored(stores, request_id, names) == [
        (batch.id, r.served_at.replace(tzinfo=None), r.row, r.target, r.entity_id, r.input, r.output, "shop", 0.004)
        for r in sent
    ]


def test_a_batch_tried_again_is_added_unless_it_is_there(stores: Settings, dsn: str, request_id: str) -> None:
    sink, batch = GreenplumServedPredictions(dsn), Batch(rows(request_id, 3))
    write(sink, batch, again=True)
    write(sink, batch, again=True)
    assert stored(stores, request_id) == [0, 1, 2]


def test_a_line_cut_at_any_moment_of_the_end_doubles_and_loses_nothing(
    stores: Settings, dsn: str, request_id: str, cut_line: Any
) -> None:
    parts = urlsplit(dsn)
    whole = cut_line(parts.hostname, parts.port, 10**9)
    write(GreenplumServedPredictions(moved(dsn, whole.port)), Batch(rows(request_id, 1)))
    answered = 10**9 - whole._left  # the last bytes of it are the answer to COMMIT
    unknown = 0
    for number, left_out in enumerate((1, 12, 20, 40), 2):
        line = cut_line(parts.hostname, parts.port, answered - left_out)
        batch = Batch(rows(request_id, 1))
        with pytest.raises(ServiceUnavailable):
            write(GreenplumServedPredictions(moved(dsn, line.port)), batch)
        unknown += len(stored(stores, request_id)) == number
        write(GreenplumServedPredictions(dsn), batch, again=True)
        assert len(stored(stores, request_id)) == number
    assert unknown, "no cut came after a commit"


def test_a_transaction_that_still_goes_on_is_waited_for(stores: Settings, request_id: str) -> None:
    batch = Batch(rows(request_id, 2))
    connection = psycopg2.connect(stores.greenplum_dsn)
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (WRITE_LOCK,))
        sink = GreenplumServedPredictions(stores.greenplum_dsn)  # only to its own role a session shows what it does
        again = threading.Thread(target=write, args=(sink, batch), kwargs={"again": True})
        again.start()
        await_blocked(stores)
        for row in batch.rows:
            cursor.execute(
                "INSERT INTO mart.served_prediction VALUES (%s, %s, %s, %s, '', '', '', '', '', '', '', '', '', 0)",
                (batch.id, row.served_at.replace(tzinfo=None), request_id, row.row),
            )
        connection.commit()
        again.join()
    finally:
        connection.close()
    assert stored(stores, request_id) == [0, 1]


def await_blocked(stores: Settings) -> None:
    """Wait until a session has been told that another one has the lock of the log, and asks again."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE %s"
    asked = f"SELECT pg_try_advisory_xact_lock({WRITE_LOCK})%"
    connection = psycopg2.connect(stores.greenplum_dsn)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for _ in range(1_000):
                cursor.execute(waiting, (asked,))
                if cursor.fetchall() != [(0,)]:
                    return
                time.sleep(0.01)
    finally:
        connection.close()
    pytest.fail("nobody waits for the lock")


def test_rows_of_an_outage_reach_the_mart_after_a_restart(
    stores: Settings, dsn: str, request_id: str, closed_port: int, tmp_path: Path
) -> None:
    down = PredictionLog(GreenplumServedPredictions(moved(dsn, closed_port)), tmp_path, seconds=0.01)
    down.start()
    down.put(rows(request_id, 5))
    down.stop()
    assert list(tmp_path.glob("*.jsonl"))
    assert stored(stores, request_id) == []
    up = PredictionLog(GreenplumServedPredictions(dsn), tmp_path, seconds=0.01)
    up.start()
    up.put([replace(row, row=5 + row.row) for row in rows(request_id, 2)])
    up.stop()
    assert stored(stores, request_id) == list(range(7))
    assert (up.written, up.waiting) == (7, 0)
    assert not list(tmp_path.iterdir())


def test_a_log_whose_line_is_cut_again_and_again_ends_complete(
    stores: Settings, dsn: str, request_id: str, cut_line: Any, tmp_path: Path
) -> None:
    parts = urlsplit(dsn)
    sink = GreenplumServedPredictions(dsn)
    log = PredictionLog(sink, tmp_path, seconds=0.005)
    log.start()
    for number in range(6):
        line = cut_line(parts.hostname, parts.port, 10**9)
        sink._dsn = moved(dsn, line.port)
        log.put([replace(rows(request_id, 1)[0], row=number)])
        time.sleep(0.01 * number)  # whatever it is doing by then
        line.close()
    sink._dsn = dsn
    log.stop()
    assert stored(stores, request_id) == list(range(6))


def test_a_mart_that_is_not_ready_is_waited_for(stores: Settings, dsn: str, request_id: str, tmp_path: Path) -> None:
    parts = urlsplit(dsn)
    missing = dsn.replace(parts.path, "/postgres")
    batch = Batch(rows(request_id, 1))
    for refused in (missing, dsn.replace(f":{parts.password}@", ":wrong@")):
        with pytest.raises((AccessDenied, ConfigInvalid, ServiceUnavailable)) as error:
            write(GreenplumServedPredictions(refused), batch)
        assert str(parts.password) not in str(error.value)
        log = PredictionLog(GreenplumServedPredictions(refused), tmp_path, seconds=0.01)
        log.start()
        log.put(batch.rows)
        log.stop()
        assert (log.aside, log.shed) == (0, 0)
        assert log.waiting >= 1
