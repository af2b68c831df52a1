"""What only the server shows: values, concurrency, outages, tables and the lineage."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mart_rows import INPUT, LEVELS, START, TABLES, batch, figures, input_rows, rejected_rows, select

from portable_sql import RESERVED
from xflow.adapters import greenplum_tables
from xflow.adapters.greenplum import GreenplumMart
from xflow.adapters.greenplum_dialect import Dialect
from xflow.adapters.lineage import GreenplumLineage
from xflow.errors import ConfigInvalid, ContractViolated, ServiceUnavailable
from xflow.ports import TableRows
from xflow.refs import RunKey
from xflow.schema import REJECTED_SCHEMA, prediction_schema, series_tables
from xflow.settings import Settings

NAN, INFINITE = float("nan"), float("inf")
HOSTILE_TEXTS = ["", " ", '"', "\\", "\\.", "\n\\.\n", "a\tb", "a,b", "\r\n", "NULL", "\\N", "ряд 😀", "';--", "%s {}"]


@pytest.fixture
def postgres(stores: Settings) -> GreenplumMart:
    return GreenplumMart(stores.greenplum_dsn)


@pytest.fixture
def prepared(postgres: GreenplumMart, key: RunKey) -> GreenplumMart:
    postgres.prepare(key.pipeline, TABLES)
    return postgres


VALUES = st.one_of(st.none(), st.floats(), st.sampled_from([NAN, INFINITE, -INFINITE, -0.0, 5e-324]))
TIMES = st.datetimes().map(lambda time: time.replace(fold=0))
TEXTS = st.one_of(st.sampled_from(HOSTILE_TEXTS), st.text(st.characters(exclude_characters="\x00", codec="utf-8")))
ROWS = st.lists(st.tuples(st.integers(0, 2**63 - 1), TEXTS, TIMES, VALUES, VALUES), max_size=20)


@pytest.mark.services
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=ROWS)
def test_values_come_back_as_they_were(
    prepared: GreenplumMart, stores: Settings, key: RunKey, rows: list[tuple[object, ...]]
) -> None:
    columns = dict(zip(INPUT.names, map(list, zip(*rows)))) if rows else {name: [] for name in INPUT.names}
    prepared.load(key, [input_rows(key, [pa.RecordBatch.from_pydict(columns, INPUT)])], {})
    stored = select(stores, f"SELECT * FROM mart.{key.pipeline}_input WHERE run_key = %s", str(key))
    found = [repr(tuple(row[name] for name in INPUT.names)) for row in stored]
    assert sorted(found) == sorted(map(repr, rows))


@pytest.mark.services
def test_hostile_texts_come_back(prepared: GreenplumMart, stores: Settings, key: RunKey) -> None:
    rows = [{"row_id": i, "rule": text, "source_uri": text, "entity_id": text} for i, text in enumerate(HOSTILE_TEXTS)]
    prepared.load(
        key, [TableRows("rejected_row", REJECTED_SCHEMA, [pa.RecordBatch.from_pylist(rows, REJECTED_SCHEMA)])], {}
    )
    stored = select(
        stores, "SELECT entity_id, bad_value FROM mart.rejected_row WHERE run_key = %s ORDER BY row_id", str(key)
    )
    assert [row["entity_id"] for row in stored] == HOSTILE_TEXTS
    assert {row["bad_value"] for row in stored} == {None}


@pytest.mark.services
def test_a_value_that_the_server_refuses(prepared: GreenplumMart, key: RunKey) -> None:
    prepared.load(key, [input_rows(key, [batch(2)])], {})
    bad = batch(1).set_column(1, INPUT.field(1), pa.array(["a\x00b"]))
    with pytest.raises(ContractViolated, match="refuses a value"):
        prepared.load(key, [input_rows(key, [batch(50_000), bad])], {})
    assert prepared.count(key, f"{key.pipeline}_input") == 2


@pytest.mark.services
def test_two_loads_of_one_run_at_once(prepared: GreenplumMart, key: RunKey) -> None:
    started = threading.Barrier(2, timeout=300)

    def slow(first: int) -> Iterator[pa.RecordBatch]:
        yield from (batch(1000, first + i * 1000) for i in range(20))

    def load(first: int) -> None:
        started.wait()
        prepared.load(key, [input_rows(key, slow(first)), rejected_rows(3)], {"rows_in": 20_003})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(load, (0, 1_000_000)))
    assert figures(prepared, key)[:2] == (20_000, 3)


@pytest.mark.services
def test_runs_that_prepare_an_empty_mart_at_once(postgres: GreenplumMart, stores: Settings, key: RunKey) -> None:
    together = threading.Barrier(6, timeout=300)

    def prepare(_: int) -> None:
        with postgres.transaction("prepare") as cursor:
            together.wait()
            greenplum_tables.prepare(cursor, key.pipeline, series_tables((), LEVELS))

    shared = ("run", "rejected_row")
    postgres.prepare(key.pipeline, series_tables((), LEVELS))
    for table in shared:
        select(stores, f"ALTER TABLE mart.{table} RENAME TO {table}_put_aside")
    for table in ("input", "prediction"):
        select(stores, f"DROP TABLE mart.{key.pipeline}_{table} CASCADE")
    try:
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(prepare, range(6)))
        assert postgres.count(key, f"{key.pipeline}_prediction") == 0
    finally:
        for table in shared:
            select(stores, f"DROP TABLE IF EXISTS mart.{table} CASCADE")
            select(stores, f"ALTER TABLE mart.{table}_put_aside RENAME TO {table}")


@pytest.fixture
def ledger_put_aside(prepared: GreenplumMart, stores: Settings) -> Iterator[None]:
    """Let a test alter the ledger: it is a copy, and the one of the other tests comes back."""
    select(stores, "ALTER TABLE mart.run RENAME TO run_put_aside")
    select(stores, "CREATE TABLE mart.run (LIKE mart.run_put_aside INCLUDING ALL)")
    yield
    select(stores, "DROP TABLE mart.run")
    select(stores, "ALTER TABLE mart.run_put_aside RENAME TO run")


def ledger(stores: Settings) -> dict[str, object]:
    query = (
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'mart' AND table_name = 'run' ORDER BY column_name"
    )
    return {row["column_name"]: row["data_type"] for row in select(stores, query)}


@pytest.mark.services
@pytest.mark.usefixtures("ledger_put_aside")
def test_a_ledger_of_an_earlier_version_gets_the_columns_that_it_lacks(
    prepared: GreenplumMart, stores: Settings, key: RunKey
) -> None:
    today = ledger(stores)
    prepared.start_run(key, {"input_uri": "s3://b/k", "bundle": "xflow@1"})
    select(stores, "ALTER TABLE mart.run DROP COLUMN bundle, DROP COLUMN rows_out")
    prepared.prepare(key.pipeline, TABLES)
    assert ledger(stores) == today
    run = prepared.run(key)
    assert (run["input_uri"], run["bundle"], run["rows_out"]) == ("s3://b/k", None, None)
    prepared.note_run(key, {"bundle": "xflow@2", "rows_out": 3})
    assert (prepared.run(key)["bundle"], prepared.run(key)["rows_out"]) == ("xflow@2", 3)


@pytest.mark.services
@pytest.mark.usefixtures("ledger_put_aside")
def test_sessions_that_find_an_old_ledger_at_once(prepared: GreenplumMart, stores: Settings, key: RunKey) -> None:
    today = ledger(stores)
    select(stores, "ALTER TABLE mart.run DROP COLUMN bundle")
    found = threading.Barrier(6, timeout=300)

    def meet(cursor: object, names: Sequence[str]) -> object:
        columns = existing(cursor, names)
        if "bundle" not in columns["run"] and not getattr(seen, "before", False):
            seen.before = True
            found.wait()  # all have seen the old ledger before the first alters it
        return columns

    existing, seen = greenplum_tables._existing, threading.local()
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(6) as pool:
        patch.setattr(greenplum_tables, "_existing", meet)
        list(pool.map(lambda _: prepared.prepare(key.pipeline, TABLES), range(6)))
    assert found.n_waiting == 0
    assert ledger(stores) == today


@pytest.mark.services
@pytest.mark.usefixtures("ledger_put_aside")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER COLUMN rows_in TYPE integer", "of another type: rows_in is integer, not bigint"),
        ("DROP COLUMN state", "missing: state text"),
        ("ADD COLUMN colour text", "not needed: colour"),
    ],
)
def test_a_ledger_of_another_kind_is_refused_and_stays_as_it_is(
    prepared: GreenplumMart, stores: Settings, key: RunKey, change: str, said: str
) -> None:
    select(stores, "ALTER TABLE mart.run DROP COLUMN bundle")
    select(stores, f"ALTER TABLE mart.run {change}")
    before = ledger(stores)
    with pytest.raises(ConfigInvalid, match=f"mart.run exists with other columns: {said}"):
        prepared.prepare(key.pipeline, TABLES)
    assert ledger(stores) == before


@pytest.mark.services
def test_a_table_put_aside_is_made_anew(prepared: GreenplumMart, stores: Settings, key: RunKey) -> None:
    """What the message about other columns advises."""
    table = f"{key.pipeline}_prediction"
    prepared.load(key, [input_rows(key, [batch(1)])], {})
    select(stores, f"ALTER TABLE mart.{table} RENAME TO {table}_old")
    prepared.prepare(key.pipeline, series_tables(("price",), (0.5,)))
    assert (prepared.count(key, table), prepared.count(key, f"{key.pipeline}_input")) == (0, 1)
    assert select(stores, f"SELECT lower_50 FROM mart.{key.pipeline}_lineage") == []


CLIENT = """
import sys, time
import numpy as np, pyarrow as pa
from xflow.adapters.greenplum import GreenplumMart
from xflow.ports import TableRows
from xflow.refs import RunKey
from xflow.schema import input_schema

def forever():
    while True:
        numbers = np.arange(20_000)
        columns = [numbers, numbers.astype(str), numbers.astype("M8[us]"), numbers * 1.0, numbers * 1.0]
        yield pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=schema)
        print("sent", flush=True)
        time.sleep(0.05)

schema = input_schema(("price",))
key = RunKey.model_validate_json(sys.argv[1])
GreenplumMart(sys.stdin.read()).load(key, [TableRows(f"{key.pipeline}_input", schema, forever())], {"rows_in": -1})
"""


@pytest.mark.services
def test_a_client_killed_in_the_middle_leaves_nothing(prepared: GreenplumMart, stores: Settings, key: RunKey) -> None:
    prepared.load(key, [input_rows(key, [batch(2)])], {"rows_in": 2})
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, key.model_dump_json()],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with client:
        client.stdin.write(stores.greenplum_dsn)
        client.stdin.close()
        for _ in range(3):
            assert client.stdout.readline() == "sent\n"
        client.send_signal(signal.SIGKILL)
    assert figures(prepared, key)[0] == 2
    assert prepared.run(key)["rows_in"] == 2
    # The lock of the dead client is gone too.
    assert prepared.load(key, [input_rows(key, [batch(3)])], {"rows_in": 3})[0].rows == 3


@pytest.mark.services
def test_a_server_that_drops_the_client_in_the_middle(prepared: GreenplumMart, stores: Settings, key: RunKey) -> None:
    def dropped() -> Iterator[pa.RecordBatch]:
        yield batch(10)
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE %s AND pid <> pg_backend_pid()"
        assert len(select(stores, query, f"COPY%{key.pipeline}_input%")) == 1
        yield from (batch(20_000) for _ in range(100))

    with pytest.raises(ServiceUnavailable):
        prepared.load(key, [input_rows(key, dropped())], {})
    assert prepared.count(key, f"{key.pipeline}_input") == 0


@pytest.mark.services
def test_an_outage_in_the_middle(prepared: GreenplumMart, stores: Settings, key: RunKey, cut_line: object) -> None:
    address = urlsplit(stores.greenplum_dsn)
    line = cut_line(address.hostname, address.port, 10**9)
    far = GreenplumMart(stores.greenplum_dsn.replace(f":{address.port}/", f":{line.port}/"))

    def cut() -> Iterator[pa.RecordBatch]:
        yield batch(10)
        line.cut()
        yield from (batch(20_000) for _ in range(100))

    with pytest.raises(ServiceUnavailable):
        far.load(key, [input_rows(key, cut())], {})
    assert prepared.count(key, f"{key.pipeline}_input") == 0


@pytest.mark.services
def test_the_lineage_joins_predictions_to_their_input(prepared: GreenplumMart, stores: Settings, key: RunKey) -> None:
    schema = prediction_schema(LEVELS)
    prediction = {
        "prediction_id": ["p1", "p2"],
        "series_id": ["s1", "s1"],
        "timestamp": [START + timedelta(31), START + timedelta(60)],
        "step": [1, 2],
        "forecast": [1.5, 2.5],
        **{name: [0.0, 0.0] for name in ("lower_80", "upper_80", "lower_95", "upper_95")},
        "model_name": ["m", "m"],
        "model_version": ["3", "3"],
        "input_row_id": [1, 1],
        "note": [None, None],
    }
    rows = TableRows(f"{key.pipeline}_prediction", schema, [pa.RecordBatch.from_pydict(prediction, schema)])
    other = key.model_copy(update={"run_id": "another"})
    prepared.load(other, [input_rows(key, [batch(3)])], {})
    prepared.start_run(key, {"input_uri": "s3://b/k"})
    prepared.load(key, [input_rows(key, [batch(3)]), rows], {"state": "success"})
    query = f"SELECT * FROM mart.{key.pipeline}_lineage ORDER BY step"
    found = [
        (row["prediction_id"], row["run_key"], row["input_value"], row["input_uri"], row["run_state"])
        for row in select(stores, query)
    ]
    assert found == [(name, str(key), 1.0, "s3://b/k", "success") for name in ("p1", "p2")]


@pytest.mark.services
def test_columns_may_be_named_by_words_that_greenplum_reserves(postgres: GreenplumMart, key: RunKey) -> None:
    """They stand in quotes wherever they are sent; what the fixture `statements_are_portable` looks at."""
    names = tuple(sorted(RESERVED))
    tables = series_tables(names, LEVELS)
    postgres.prepare(key.pipeline, tables)
    columns = {name: [1.5] for name in names}
    row = {"row_id": [0], "series_id": ["s"], "timestamp": [START], "value": [1.0], **columns}
    rows = TableRows(f"{key.pipeline}_input", tables.input, [pa.RecordBatch.from_pydict(row, tables.input)])
    assert postgres.load(key, [rows], {})[0].rows == 1
    lineage = GreenplumLineage(postgres._dsn)
    (found,) = lineage.rows(key, f"{key.pipeline}_input", tables.input, "row_id")
    assert found.select(list(names)).to_pylist() == [dict.fromkeys(names, 1.5)]


@pytest.mark.services
def test_the_lineage_of_a_run_reads_the_rows_of_that_run(prepared: GreenplumMart, key: RunKey) -> None:
    newest = f"(SELECT run_key FROM mart.run WHERE pipeline = '{key.pipeline}' ORDER BY started_at DESC LIMIT 1)"
    with prepared.transaction("explain") as cursor:
        cursor.execute("SET LOCAL enable_bitmapscan TO off")  # an append-optimized table has no index
        cursor.execute(f"EXPLAIN SELECT * FROM mart.{key.pipeline}_lineage WHERE run_key = {newest}")
        plan = [line.strip() for (line,) in cursor.fetchall()]
    for table in ("input", "prediction"):
        (scan,) = [at for at, line in enumerate(plan) if f"Seq Scan on {key.pipeline}_{table}" in line]
        assert plan[scan + 1].startswith("Filter: (run_key = ")


def test_tables_on_greenplum_are_distributed() -> None:
    words = greenplum_tables._words("p", TABLES, Dialect(6))
    ddl = {name: greenplum_tables._render(name, words) for name in ("run", "rejected_row", "input", "prediction")}
    assert "DISTRIBUTED BY (run_key)" in ddl["run"]
    assert "appendonly" not in ddl["run"]
    for name, column in (("rejected_row", "row_id"), ("input", "row_id"), ("prediction", "input_row_id")):
        assert "orientation=column" in ddl[name]
        assert f"DISTRIBUTED BY ({column})" in ddl[name]
        assert "KEY" not in ddl[name]


@pytest.mark.services
def test_predictions_of_an_earlier_version_get_a_note_and_may_be_empty(
    prepared: GreenplumMart, stores: Settings, key: RunKey
) -> None:
    table, view = f"mart.{key.pipeline}_prediction", f"mart.{key.pipeline}_lineage"
    first = {"step": [1], "forecast": [1.5], "lower_80": [1.0], "upper_80": [2.0], "lower_95": [0.5], "upper_95": [3.0]}
    told = {name: [None] for name in first if name != "step"} | {"step": [0], "note": ["no forecast: why"]}
    select(stores, f"DROP VIEW {view}")
    select(stores, f"ALTER TABLE {table} DROP COLUMN note")
    for name in first:
        select(stores, f"ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL")
    words = {**greenplum_tables._words(key.pipeline, TABLES, Dialect(0)), "added_names": ""}
    select(stores, greenplum_tables._render("lineage", words))
    select(stores, f"CREATE VIEW mart.{key.pipeline}_of_mine AS SELECT * FROM {view}")
    prepared.start_run(key, {})
    keys = {"prediction_id": ["p1"], "series_id": ["s"], "timestamp": [START], "model_name": ["m"]}
    keys |= {"model_version": ["1"], "input_row_id": [0]}
    for _ in range(2):
        prepared.prepare(key.pipeline, TABLES)
    rows = [
        pa.RecordBatch.from_pydict({**keys, **first, "note": [None]}, TABLES.prediction),
        pa.RecordBatch.from_pydict({**keys, "prediction_id": ["p2"], **told}, TABLES.prediction),
    ]
    prepared.load(key, [TableRows(f"{key.pipeline}_prediction", TABLES.prediction, rows)], {})
    found = select(stores, f"SELECT forecast, note FROM {view} ORDER BY step")
    assert [tuple(row.values()) for row in found] == [(None, "no forecast: why"), (1.5, None)]
    select(stores, f"DROP VIEW mart.{key.pipeline}_of_mine")
