"""What stays of a table that is loaded again and again where no server tidies up: Greenplum has no autovacuum."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg2
import pytest
from mart_rows import TABLES, batch, input_rows, rejected_rows, select
from vacancy_lives import RATES, Make, Snapshot, item

from portable_sql import faults
from xflow.adapters import greenplum, greenplum_maintenance, vacancy_history
from xflow.adapters.greenplum import GreenplumMart
from xflow.adapters.vacancy_history import GreenplumHistory
from xflow.ports import TableRows
from xflow.refs import RunKey
from xflow.settings import Settings

pytestmark = pytest.mark.services

MOST = 1.5  # times the size of the live data
ROWS = 5_000
OTHERS = "SELECT count(*) FROM pg_locks WHERE locktype = 'virtualxid' AND pid <> pg_backend_pid()"


@pytest.fixture
def mart(stores: Settings, key: RunKey) -> GreenplumMart:
    made = GreenplumMart(stores.greenplum_dsn)
    made.prepare(key.pipeline, TABLES)
    untidied(stores, [f"{key.pipeline}_input", f"{key.pipeline}_prediction"])
    return made


@pytest.fixture
def undisturbed(stores: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a table be tidied while no transaction of others goes on, as of another test: it may see deleted rows."""

    def quietly(*given: Any) -> None:
        for _ in range(1_000):
            (others,) = select(stores, OTHERS)
            if not others["count"]:
                break
            time.sleep(0.01)
        greenplum_maintenance.maintain(*given)

    for module in (greenplum, vacancy_history):
        monkeypatch.setattr(module, "maintain", quietly)


def untidied(stores: Settings, tables: Sequence[str]) -> None:
    for table in tables:
        select(stores, f"ALTER TABLE mart.{table} SET (autovacuum_enabled = false)")


def bloat(stores: Settings, table: str) -> float:
    """Return the size of a table beside that of a new one with its rows."""
    copy = f"mart.{table}_copy"
    select(stores, f"CREATE TABLE {copy} AS SELECT * FROM mart.{table}")
    query = f"SELECT pg_relation_size('mart.{table}')::float / pg_relation_size('{copy}') AS bloat"
    (found,) = select(stores, query)
    select(stores, f"DROP TABLE {copy}")
    return float(found["bloat"])


def rows_known(stores: Settings, table: str) -> float:
    (found,) = select(stores, f"SELECT reltuples FROM pg_class WHERE oid = 'mart.{table}'::regclass")
    return float(found["reltuples"])


@pytest.mark.usefixtures("undisturbed")
@pytest.mark.parametrize("others", [0, 1, 5])
def test_a_run_that_is_repeated_leaves_no_more_than_it_loads(
    mart: GreenplumMart, stores: Settings, key: RunKey, others: int
) -> None:
    """Alone in its table, beside as much of other runs, and beside much more."""
    table = f"{key.pipeline}_input"
    for number in range(others):
        mart.load(key.model_copy(update={"run_id": f"other {number}"}), [input_rows(key, [batch(ROWS)])], {})
    found = []
    for _ in range(21):
        mart.load(key, [input_rows(key, [batch(ROWS)])], {})
        found.append(bloat(stores, table))
    assert max(found) <= MOST
    assert mart.count(key, table) == ROWS


@pytest.mark.usefixtures("undisturbed")
def test_runs_that_are_repeated_in_turn_leave_no_more_than_they_load(
    mart: GreenplumMart, stores: Settings, key: RunKey
) -> None:
    keys = [key.model_copy(update={"run_id": f"run {number}"}) for number in range(4)]
    for number in range(20):
        rows = batch(ROWS if number % 3 else ROWS // 2)
        mart.load(keys[number % 4], [input_rows(key, [rows])], {})
    assert bloat(stores, f"{key.pipeline}_input") <= MOST


def listing(day: int, vacancies: int) -> list[dict[str, object]]:
    """Return what a snapshot lists: every day one in fifty goes and another comes, and one in fifty changes."""
    first = day * vacancies // 50
    return [
        item(f"v{number}", number % 7, name=f"vacancy {number}, {(number + day) // 50}")
        for number in range(first, first + vacancies)
    ]


@pytest.mark.usefixtures("undisturbed")
def test_a_history_of_many_snapshots_is_as_large_as_what_it_knows(history_of: Make, stores: Settings) -> None:
    history = history_of([])
    tables = [f"{history._pipeline}_{name}" for name in ("sighting", "version", "detail", "snapshot")]
    untidied(stores, tables)
    for day in range(24):
        one = Snapshot(day, listing(day, 2_000))
        assert history.ingest(one.ref, RATES, one.rows())
    assert {table: found for table in tables[:2] if (found := bloat(stores, table)) > MOST} == {}


def written(stores: Settings, history: GreenplumHistory) -> dict[tuple[object, ...], object]:
    """Return by which transaction every sighting was written."""
    query = f"SELECT vacancy_id, version, xmin::text AS at FROM mart.{history._pipeline}_sighting"
    return {(row["vacancy_id"], row["version"]): row["at"] for row in select(stores, query)}


def test_a_snapshot_writes_what_has_changed_alone(history_of: Make, stores: Settings) -> None:
    history = history_of([Snapshot(0, [item("1"), item("2"), item("3")])])
    before = written(stores, history)
    for one in (Snapshot(1, [item("1"), item("2"), item("3")]), Snapshot(2, [item("1"), item("2", name="other")])):
        assert history.ingest(one.ref, RATES, one.rows())
    after = written(stores, history)
    kept = [vacancy for (vacancy, version), at in before.items() if after.get((vacancy, version)) == at]
    assert kept == ["1"]
    assert len(after) == 4


def test_a_history_of_an_earlier_version_is_taken_over(history_of: Make, stores: Settings) -> None:
    """It wrote the newest snapshot of a scope to every run that goes on to it."""
    life = [
        Snapshot(0, [item("1"), item("2")]),
        Snapshot(1, [item("1")]),
        Snapshot(1, [item("1"), item("3")], scope="b"),
    ]
    history, name = history_of(life), "mart.{}_sighting"
    table = name.format(history._pipeline)
    wanted = select(stores, f"SELECT * FROM {table} ORDER BY vacancy_id, scope")
    assert [row["last_snapshot"] for row in wanted] == [None, None, "s0-a", None]
    select(stores, f"UPDATE {table} SET last_snapshot = 's1-' || scope, last_seen = '2026-10-02 06:00' "
                   "WHERE last_snapshot IS NULL")  # fmt: skip
    for column in ("last_snapshot", "last_seen"):
        select(stores, f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL")
    select(stores, f"COMMENT ON VIEW mart.{history._pipeline}_history IS 'of an earlier version'")
    history.prepare()
    assert select(stores, f"SELECT * FROM {table} ORDER BY vacancy_id, scope") == wanted
    one = Snapshot(2, [item("1")])
    assert history.ingest(one.ref, RATES, one.rows())
    assert select(stores, f"SELECT * FROM {table} ORDER BY vacancy_id, scope") == wanted


def test_the_planner_knows_of_tables_that_grow(mart: GreenplumMart, stores: Settings, key: RunKey) -> None:
    table, rows = f"{key.pipeline}_input", 0
    for number, added in enumerate((60, 600, 6_000, 1_000, 2_000, 500, 500)):
        mart.load(key.model_copy(update={"run_id": f"run {number}"}), [input_rows(key, [batch(added)])], {})
        rows += added
        assert rows / 1.25 <= rows_known(stores, table) <= rows


def test_a_table_that_has_not_grown_is_left_alone(
    mart: GreenplumMart, key: RunKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    mart.load(key, [input_rows(key, [batch(ROWS)])], {})
    looked: list[str] = []
    monkeypatch.setattr(greenplum_maintenance, "_maintain", lambda _, name, __: looked.append(name))
    mart.load(key.model_copy(update={"run_id": "a small one"}), [input_rows(key, [batch(10)])], {})
    assert f'mart."{key.pipeline}_input"' not in looked
    mart.load(key, [input_rows(key, [batch(10)])], {})
    assert f'mart."{key.pipeline}_input"' in looked


def test_a_table_in_use_fails_no_run(
    mart: GreenplumMart, stores: Settings, key: RunKey, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody reads the table for long, or analyzes it: it is left to the next time, and said."""
    mart.load(key, [input_rows(key, [batch(10)])], {})
    reader = psycopg2.connect(stores.greenplum_dsn)
    with reader, reader.cursor() as cursor, caplog.at_level(logging.WARNING, "xflow"):
        cursor.execute(f"LOCK TABLE mart.{key.pipeline}_input IN SHARE UPDATE EXCLUSIVE MODE")
        (load,) = mart.load(key, [input_rows(key, [batch(20)])], {})
    reader.close()
    assert load.rows == mart.count(key, f"{key.pipeline}_input") == 20
    assert f"mart.{key.pipeline}_input is not maintained this time" in caplog.text


def test_the_table_of_all_pipelines_is_free_while_a_repeated_run_loads(
    mart: GreenplumMart, stores: Settings, key: RunKey
) -> None:
    """On Greenplum 6 its DELETE locks that table whole, to the end: it comes after what takes long."""
    read: list[str] = []

    def tried(rows: TableRows) -> TableRows:
        def batches() -> Iterator[object]:
            for each in rows.batches:
                select(stores, "LOCK TABLE mart.rejected_row IN SHARE ROW EXCLUSIVE MODE NOWAIT")
                read.append(rows.table)
                yield each

        return TableRows(rows.table, rows.schema, batches())

    for _ in range(2):
        tables = [tried(rejected_rows(3)), tried(input_rows(key, [batch(5), batch(5, 5)]))]
        loads = mart.load(key, tables, {"rows_in": 13})
        assert [(load.table, load.rows) for load in loads] == [("rejected_row", 3), (f"{key.pipeline}_input", 10)]
    assert read == [f"{key.pipeline}_input", f"{key.pipeline}_input", "rejected_row"] * 2
    assert (mart.count(key, "rejected_row"), mart.count(key, f"{key.pipeline}_input")) == (3, 10)


class Told:
    """A cursor of a server that answers as it was told, and keeps what it was sent."""

    def __init__(self, version: str, answers: Mapping[str, object]) -> None:
        self._answers, self._answer, self.sent = {"version()": version, **answers}, None, list[str]()

    def execute(self, statement: str, values: object = None) -> None:
        self._answer = next((answer for sign, answer in self._answers.items() if sign in statement), None)
        self.sent += [statement] if self._answer is None else []
        assert faults(statement) == []

    def fetchall(self) -> list[tuple[object, ...]]:
        return [(self._answer,)]


SIX = "PostgreSQL 9.4.26 (Greenplum Database 6.24.3 build dev) on x86_64-unknown-linux-gnu"
SEVEN = "PostgreSQL 12.12 (Greenplum Database 7.1.0 build commit:e7c2b1f) on x86_64-pc-linux-gnu"
FIFTEEN = "PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu"


@pytest.mark.parametrize(
    ("version", "hidden", "deleted", "sent"),
    [
        (SIX, 0.5, 10, ["ALTER TABLE t SET WITH (reorganize=true)", "ANALYZE t"]),
        (SIX, 0.1, 10, ["ANALYZE t"]),
        (SIX, None, 10, ["VACUUM ANALYZE t"]),
        (SIX, None, 90, ["VACUUM ANALYZE t", "VACUUM FULL t"]),
        (SEVEN, None, 10, ["VACUUM ANALYZE t"]),
        (FIFTEEN, None, 0, ["VACUUM ANALYZE t"]),
        (FIFTEEN, None, 90, ["VACUUM ANALYZE t", "VACUUM FULL t"]),
    ],
    ids=["6, hollow", "6, a few", "6, on the heap", "6, most of a heap", "7", "PostgreSQL", "PostgreSQL, most"],
)
def test_each_server_is_told_what_it_understands(
    version: str, hidden: float | None, deleted: int, sent: list[str]
) -> None:
    cursor = Told(version, {"relstorage": hidden is not None, "hidden_tupcount": hidden, "reltuples": 100.0})
    greenplum_maintenance._maintain(cursor, "t", deleted)
    assert cursor.sent == sent
