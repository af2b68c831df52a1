"""What is known of every vacancy over time, in Greenplum or PostgreSQL."""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

import psycopg2.extensions
import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import sql

from xflow.adapters import vacancy_history_tables as tables
from xflow.adapters.greenplum_maintenance import Changed, maintain
from xflow.adapters.greenplum_server import GreenplumServer, copy, lock
from xflow.domain.vacancies.detail_order import KnownVacancy, worth_a_detail
from xflow.domain.vacancies.flat import DELIVERY_SCHEMA, SIGHTING_SCHEMA
from xflow.domain.vacancies.market import LISTING_SCHEMA, MARKET_SCHEMA
from xflow.refs import SnapshotRef

LISTED_DAYS = 30  # hh.ru lists a vacancy so long after its publication
FETCHED_ROWS = 2_000
BEGINNING = datetime(1, 1, 1)  # noqa: DTZ001  times in the mart are UTC without a zone

NEIGHBOURS = """
SELECT snapshot_id, taken_at, (taken_at, snapshot_id) < (%(taken_at)s::timestamp, %(snapshot)s) AS earlier
FROM mart.{pipeline}_snapshot WHERE scope = %(scope)s ORDER BY taken_at, snapshot_id
"""
OPEN_VACANCIES = """
SELECT vacancy_id, scope, last_seen, checked_at, detail_published_at FROM mart.{pipeline}_history
WHERE closed_at IS NULL
"""


class GreenplumHistory(GreenplumServer):
    """The history of one pipeline's vacancies; see `xflow.vacancy_ports.VacancyHistory`.

    Parameters
    ----------
    dsn
        ``postgresql://user:password@host:port/database``.
    pipeline
        The pipeline's name.
    gone_after
        Complete snapshots in a row without a vacancy after which it counts as closed.
    window_days
        Days of publication that a snapshot covers. Where hh.ru lists vacancies for longer, one that
        has left the window is unknown from then on, not closed.
    """

    def __init__(self, dsn: str, pipeline: str, gone_after: int = 2, window_days: int = LISTED_DAYS) -> None:
        super().__init__(dsn)
        self._pipeline = pipeline
        days = 36_500 if window_days >= LISTED_DAYS else window_days
        self._words = {"pipeline": pipeline, "gone_after": str(gone_after), "window": f"interval '{days} days'"}

    def __repr__(self) -> str:
        """Show the address without the credentials."""
        return f"GreenplumHistory({self.address}, {self._pipeline})"

    def prepare(self) -> None:
        """Create the tables and views that are absent."""
        with self.transaction("prepare the vacancy history") as cursor:
            tables.prepare(cursor, self._words)

    def known(self) -> set[str]:
        """Return the ids of the ingested snapshots."""
        with self.transaction("read the snapshots") as cursor:
            cursor.execute(f"SELECT snapshot_id FROM mart.{self._pipeline}_snapshot")  # noqa: S608
            return {name for (name,) in cursor.fetchall()}

    def sources(self) -> set[str]:
        """Return where the ingested snapshots come from: ``hh.ru``, or ``generated``."""
        with self.transaction("read the snapshots") as cursor:
            cursor.execute(f"SELECT DISTINCT source FROM mart.{self._pipeline}_snapshot")  # noqa: S608
            return {name for (name,) in cursor.fetchall()}

    def ingest(self, snapshot: SnapshotRef, rates: Mapping[str, float], rows: Iterable[pa.RecordBatch]) -> bool:
        """Merge one snapshot in one transaction; return False, and read no rows, when it was known already."""
        table = f"mart.{self._pipeline}_snapshot"
        with self.transaction(f"ingest snapshot {snapshot.snapshot_id}") as cursor:
            lock(cursor, f"{self._pipeline} history")  # one transaction at a time changes it
            cursor.execute(f"SELECT 1 FROM {table} WHERE snapshot_id = %s", (snapshot.snapshot_id,))  # noqa: S608
            if cursor.fetchone() is not None:
                return False
            tables.create_staged(cursor)
            copy(cursor, sql.Identifier("staged"), ("snapshot_id", snapshot.snapshot_id), SIGHTING_SCHEMA, rows)
            replaced = tables.merge(cursor, self._pipeline, self._place(cursor, snapshot))
            facts = (snapshot.taken_at, snapshot.scope, snapshot.complete, snapshot.vacancies, snapshot.source)
            values = (snapshot.snapshot_id, *facts, snapshot.prefix, json.dumps(dict(rates), sort_keys=True))
            cursor.execute(f"INSERT INTO {table} VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", values)  # noqa: S608
        changes = {"sighting": Changed(deleted=replaced), **dict.fromkeys(("version", "detail", "snapshot"), Changed())}
        maintain(self, {f"{self._pipeline}_{table}": changed for table, changed in changes.items()})
        return True

    def rows(self, as_of: datetime, since: datetime | None = None) -> Iterator[pa.RecordBatch]:
        """Stream every vacancy as it was known at `as_of`, by id; see `xflow.vacancy_ports.VacancyHistory`."""
        words = {**self._words, "as_of": "%(as_of)s::timestamp", "since": "%(since)s::timestamp"}
        statement = f'SELECT * FROM ({tables.render("history", words)}) h ORDER BY vacancy_id COLLATE "C"'  # noqa: S608
        bounds = {"as_of": as_of, "since": since or BEGINNING}
        return self._stream("read the vacancy history", statement, bounds, DELIVERY_SCHEMA)

    def wanted(self, scope: str, listed: Mapping[str, datetime | None]) -> list[str]:
        """Return the vacancies whose details tell something new, the most telling first."""
        with self.transaction("read the open vacancies") as cursor:
            cursor.execute(OPEN_VACANCIES.format(pipeline=self._pipeline))
            known = {name: KnownVacancy(*facts) for name, *facts in cursor.fetchall()}
        return worth_a_detail(listed, known, scope)

    def listings(self, scope: str, as_of: datetime) -> Iterator[pa.RecordBatch]:
        """Stream what the last complete snapshot of every whole day lists, for days that the market lacks, by day."""
        statement = tables.render("market_days", self._words)
        return self._stream("read the listings", statement, {"scope": scope, "as_of": as_of}, LISTING_SCHEMA)

    def load_market(self, market: pa.Table) -> None:
        """Replace the days of a market, of one scope each."""
        table = f"mart.{self._pipeline}_market"
        days = {(row["scope"], row["day"]) for row in market.select(["scope", "day"]).to_pylist()}
        with self.transaction(f"load {table}") as cursor:
            lock(cursor, f"{self._pipeline} history")  # one transaction at a time changes it
            for scope, day in sorted(days):
                cursor.execute(f"DELETE FROM {table} WHERE scope = %s AND day = %s", (scope, day))  # noqa: S608
            for scope in sorted({scope for scope, _ in days}):
                chosen = market.filter(pc.equal(market.column("scope"), scope)).drop_columns(["scope"])
                copy(
                    cursor,
                    sql.Identifier("mart", f"{self._pipeline}_market"),
                    ("scope", scope),
                    chosen.schema,
                    chosen.to_batches(),
                )

    def market(self, scope: str, before: datetime) -> pa.Table:
        """Return the market of one scope before a day, by day, role and area."""
        statement = (
            f"SELECT * FROM mart.{self._pipeline}_market WHERE scope = %(scope)s AND day < %(before)s::timestamp "  # noqa: S608
            'ORDER BY day, professional_role_id COLLATE "C", area_id COLLATE "C"'
        )
        batches = self._stream("read the market", statement, {"scope": scope, "before": before}, MARKET_SCHEMA)
        return pa.Table.from_batches(batches, MARKET_SCHEMA)

    def _place(self, cursor: psycopg2.extensions.cursor, snapshot: SnapshotRef) -> dict[str, object]:
        """Return a snapshot's id, time and scope, and its neighbours among the ingested ones of its scope."""
        place = {"snapshot": snapshot.snapshot_id, "taken_at": snapshot.taken_at, "scope": snapshot.scope}
        cursor.execute(NEIGHBOURS.format(pipeline=self._pipeline), place)
        found = cursor.fetchall()
        before = [row for row in found if row[2]][-1:] or [(None, None, True)]
        after = [row for row in found if not row[2]][:1] or [(None, None, False)]
        neighbours = {"before": before[0][0], "before_at": before[0][1], "after": after[0][0], "after_at": after[0][1]}
        return {**place, **neighbours}

    def _stream(
        self, action: str, statement: str, values: Mapping[str, object], schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        """Yield a query's rows through a cursor on the server, `FETCHED_ROWS` in memory at a time."""
        with self.transaction(action, name=f"xflow_{uuid.uuid4().hex}") as cursor:
            cursor.itersize = FETCHED_ROWS
            cursor.execute(statement, values)
            while rows := cursor.fetchmany(FETCHED_ROWS):
                names = [column.name for column in cursor.description or ()]
                columns = dict(zip(names, zip(*rows)))
                yield pa.RecordBatch.from_arrays(
                    [pa.array(columns[field.name], field.type) for field in schema], schema=schema
                )
