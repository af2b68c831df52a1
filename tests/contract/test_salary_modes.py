"""Salaries by the hour, the shift, the service: from the API's answers through the history to what is delivered."""

from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from collecting import NOW, run
from test_vacancy_deliveries import vacancies_of
from vacancy_lives import Make, Snapshot, at, item, rows

from hh_server import HhServer, salary_range, vacancy
from xflow.adapters.greenplum import GreenplumMart
from xflow.adapters.memory import MemoryStore
from xflow.adapters.vacancy_history import GreenplumHistory
from xflow.domain.vacancies.market import market_of
from xflow.refs import RunKey
from xflow.schema import vacancy_tables
from xflow.settings import Settings
from xflow.steps.deliver import deliver
from xflow.steps.snapshots import read_manifest

pytestmark = pytest.mark.services

MODES = ("MONTH", "HOUR", "SHIFT", "SERVICE", "FLY_IN_FLY_OUT", "WEEK")


def paid(name: str, mode: str | None, amount: float = 100_000, **facts: Any) -> dict[str, Any]:
    return item(name, **{"salary_range": salary_range(amount, mode)} | facts)


def test_the_mode_reaches_the_delivery_and_is_counted(
    history_of: Make, stores: Settings, key: RunKey, tmp_path: Path
) -> None:
    old = item("old", salary={"from": 100_000, "to": None, "currency": "RUR", "gross": False})
    snapshot = Snapshot(0, [*(paid(mode, mode, 300) for mode in MODES), old, item("none"), paid("bare", None)])
    history = history_of([snapshot])
    found = rows(history)
    assert {name: row["salary_mode"] for name, row in found.items()} == {mode: mode for mode in MODES} | {
        "old": None, "none": None, "bare": None
    }  # fmt: skip
    assert {row["salary_frequency"] for name, row in found.items() if name in MODES} == {"MONTHLY"}
    assert {row["salary_from"] for name, row in found.items() if name in MODES} == {300}
    store = MemoryStore()
    made = deliver(vacancies_of(key.pipeline), snapshot.ref, store=store, history=history)
    assert made.salary_modes == {"FLY_IN_FLY_OUT": 1, "HOUR": 1, "SERVICE": 1, "SHIFT": 1, "WEEK": 1}
    store.download(made.train, tmp_path / "train.parquet")
    delivered = pq.read_table(tmp_path / "train.parquet").to_pylist()
    assert {row["vacancy_id"]: row["salary_mode"] for row in delivered} == {
        n: r["salary_mode"] for n, r in found.items()
    }


def test_the_market_is_of_salaries_by_the_month(history_of: Make) -> None:
    monthly = [paid(str(n), "MONTH") for n in range(5)]
    history = history_of([Snapshot(0, [*monthly, *(paid(mode, mode, 300) for mode in MODES[1:])])])
    (day,) = history.listings("a", at(1))
    (row,) = market_of(pa.Table.from_batches([day]), "a").to_pylist()
    assert (row["open"], row["stated"], row["salary_net"]) == (10, 5, 100_000)


def test_tables_of_an_earlier_version_get_the_columns(stores: Settings, history_of: Make, key: RunKey) -> None:
    history = history_of([Snapshot(0, [item("1", salary={"from": 5, "currency": "RUR"}), item("2")])])
    before = rows(history)
    query(history, "DROP VIEW mart.{pipeline}_history")
    for name in ("salary_mode", "salary_frequency"):
        query(history, f"ALTER TABLE mart.{{pipeline}}_version DROP COLUMN {name}")
    history.prepare()
    history.prepare()
    assert rows(history) == before
    later = Snapshot(1, [paid("1", "HOUR"), item("2")])
    assert history.ingest(later.ref, {"RUR": 1.0}, later.rows())
    assert {name: row["salary_mode"] for name, row in rows(history).items()} == {"1": "HOUR", "2": None}
    assert query(history, "SELECT salary_mode FROM mart.{pipeline}_history ORDER BY vacancy_id") == [("HOUR",), (None,)]

    mart = GreenplumMart(stores.greenplum_dsn)
    mart.prepare(key.pipeline, vacancy_tables())
    with psycopg2.connect(stores.greenplum_dsn) as connection, connection.cursor() as cursor:
        for name in ("salary_mode", "salary_frequency"):
            cursor.execute(f"ALTER TABLE mart.{key.pipeline}_input DROP COLUMN {name}")
    connection.close()
    mart.prepare(key.pipeline, vacancy_tables())
    mart.prepare(key.pipeline, vacancy_tables())


def test_a_snapshot_counts_what_is_not_paid_by_the_month(caplog: pytest.LogCaptureFixture) -> None:
    def listed(number: int, **facts: Any) -> dict[str, Any]:
        return vacancy(number, NOW, **facts)

    hours = [listed(n, salary_range=salary_range(300, "HOUR")) for n in range(3)]
    rest = [
        listed(10, salary_range=salary_range(100_000, "MONTH")),
        listed(11, salary_range=salary_range(5_000, "SHIFT"), salary=None),
        listed(12, salary_range=salary_range(5_000, "DECADE")),
        listed(13, salary_range=salary_range(100_000, None)),
        listed(14, salary_range=salary_range(None, "HOUR"), salary=None),
        listed(15, salary=None),
    ]
    store = MemoryStore()
    with HhServer([*hours, *rest]) as server:
        figures = read_manifest(store, run(server, store)).figures
    counted = {name: count for name, count in figures.items() if name.startswith("salary")}
    wanted = {"salary_mode_DECADE": 1, "salary_mode_HOUR": 3, "salary_mode_SHIFT": 1, "salary_mode_missing": 1}
    assert counted == wanted
    assert all(f"'{name}': {count}" in caplog.text for name, count in wanted.items())


def query(history: GreenplumHistory, statement: str) -> list[tuple[Any, ...]]:
    with history.transaction("ask") as cursor:
        cursor.execute(statement.format(pipeline=history._pipeline))
        return cursor.fetchall() if cursor.description else []
