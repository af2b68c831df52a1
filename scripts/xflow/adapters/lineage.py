"""The mart as an audit reads it: rows and their content, ledger and decisions, in Greenplum or PostgreSQL."""

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import psycopg2.extensions
import pyarrow as pa
from psycopg2 import sql
from psycopg2.extras import RealDictCursor

from xflow.adapters.greenplum_server import GreenplumServer
from xflow.adapters.pgcopy import PIECE_BYTES, CopyStream, column_order
from xflow.audit_ports import Content, Row
from xflow.refs import RunKey

FETCHED_ROWS = 5_000
ORDERS = {
    "row_id": sql.SQL("row_id"),
    # Ids of one run differ in the number at their end alone, so that this is the order of the numbers.
    "prediction_id": sql.SQL('length(prediction_id), prediction_id COLLATE "C"'),
}
UNLINKED = """
SELECT count(*) FROM {prediction} p
LEFT JOIN {input} i ON i.run_key = p.run_key AND i.row_id = p.input_row_id
LEFT JOIN mart.rejected_row r ON r.run_key = p.run_key AND r.row_id = p.input_row_id
WHERE p.run_key = %s AND i.run_key IS NULL AND r.run_key IS NULL
"""
LATER_SETS = """
SELECT count(DISTINCT r.feature_set) FROM mart.run r, mart.run b
WHERE b.run_key = %s AND r.pipeline = b.pipeline AND r.kind = b.kind AND r.feature_set = r.run_key
AND r.started_at > b.started_at
"""
DETAILS = """
SELECT s.snapshot_id, s.uri, s.taken_at, true AS detail FROM {detail} d
JOIN {snapshot} s ON s.snapshot_id = d.snapshot_id WHERE d.vacancy_id = %(vacancy)s
"""
SIGHTINGS = """
SELECT DISTINCT s.snapshot_id, s.uri, s.taken_at, false AS detail FROM {sighting} g
JOIN {snapshot} s ON s.scope = g.scope AND s.taken_at BETWEEN g.first_seen AND coalesce(g.last_seen, s.taken_at)
WHERE g.vacancy_id = %(vacancy)s
"""


class GreenplumLineage(GreenplumServer):
    """What the mart holds of runs; see `xflow.audit_ports.Lineage`. It writes nothing.

    Parameters
    ----------
    dsn
        ``postgresql://user:password@host:port/database``.
    """

    def find(self, **wanted: str) -> list[Row]:
        """Return the ledger rows that have these values, newest first."""
        if not self._stands("run"):
            return []
        return self._rows("run", sql.SQL("started_at DESC"), wanted)

    def runs(self, kind: str) -> Iterator[tuple[str, str]]:
        """Yield key and pipeline of every run of a kind."""
        if not self._stands("run"):
            return
        with self.transaction("read mart.run", name=_name()) as cursor:
            cursor.execute("SELECT run_key, pipeline FROM mart.run WHERE kind = %s", (kind,))
            yield from cursor

    def content(self, key: RunKey, table: str, schema: pa.Schema, order: str) -> Content:
        """Return the content of a run's rows: the server sorts them and sends what a load of them would be sent."""
        digest = _Digest()
        with self.transaction(f"read mart.{table}") as cursor:
            statement = sql.SQL("COPY ({}) TO STDOUT WITH (FORMAT binary)").format(
                _select(table, ["run_key", *column_order(schema)], ORDERS[order], {"run_key": str(key)})
            )
            cursor.copy_expert(statement, digest, PIECE_BYTES)
            return Content(cursor.rowcount, digest.hexdigest())

    def content_of(self, key: RunKey, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Content:
        """Return the content that a run's rows would have in the mart."""
        digest, stream = _Digest(), CopyStream(str(key), schema, batches)
        while piece := stream.read(PIECE_BYTES):
            digest.write(piece)
        return Content(stream.rows, digest.hexdigest())

    def rows(self, key: RunKey, table: str, schema: pa.Schema, order: str) -> Iterator[pa.RecordBatch]:
        """Stream a run's rows through a cursor on the server."""
        with self.transaction(f"read mart.{table}", name=_name()) as cursor:
            cursor.itersize = FETCHED_ROWS
            cursor.execute(_select(table, schema.names, ORDERS[order], {"run_key": str(key)}))
            while rows := cursor.fetchmany(FETCHED_ROWS):
                columns = [pa.array(column, field.type) for column, field in zip(zip(*rows), schema, strict=True)]
                yield pa.RecordBatch.from_arrays(columns, names=schema.names)

    def row(self, key: RunKey, table: str, schema: pa.Schema, **wanted: object) -> Row | None:
        """Return one of a run's rows that have these values, or None."""
        order = ORDERS["prediction_id" if "prediction_id" in schema.names else "row_id"]
        found = self._rows(table, order, {"run_key": str(key), **wanted}, schema.names, limit=1)
        return found[0] if found else None

    def unlinked(self, key: RunKey) -> int:
        """Return how many of a run's predictions have no input row."""
        names = {part: sql.Identifier("mart", f"{key.pipeline}_{part}") for part in ("prediction", "input")}
        with self.transaction("join predictions to their input") as cursor:
            cursor.execute(sql.SQL(UNLINKED).format(**names), (str(key),))
            return _one(cursor)

    def models(self, key: RunKey) -> dict[tuple[str, str], int]:
        """Return how many of a run's predictions name each model and version."""
        table = sql.Identifier("mart", f"{key.pipeline}_prediction")
        statement = sql.SQL("SELECT model_name, model_version, count(*) FROM {} WHERE run_key = %s GROUP BY 1, 2")
        with self.transaction("count predictions by model") as cursor:
            cursor.execute(statement.format(table), (str(key),))
            return {(name, version): int(count) for name, version, count in cursor.fetchall()}

    def later_sets(self, run_key: str) -> int:
        """Return how many feature sets runs of the same job have written since a run began."""
        with self.transaction("read mart.run") as cursor:
            cursor.execute(LATER_SETS, (run_key,))
            return _one(cursor)

    def decisions(self, model: str, version: str) -> Sequence[Mapping[str, Any]] | None:
        """Return what was decided about a version, oldest first; None where decisions are not recorded."""
        if not self._stands("promotion"):
            return None
        return self._rows("promotion", sql.SQL("decided_at"), {"model_name": model, "version": version})

    def sightings(self, pipeline: str, vacancy: str) -> list[Row]:
        """Return the snapshots that tell of a vacancy, newest first, those with its detail before the others."""
        if not self._stands(f"{pipeline}_snapshot"):
            return []
        names = {part: sql.Identifier("mart", f"{pipeline}_{part}") for part in ("snapshot", "detail", "sighting")}
        with self.transaction("read the vacancy history", RealDictCursor) as cursor:
            found: list[Row] = []
            for statement in (DETAILS, SIGHTINGS):
                ordered = sql.SQL(statement + " ORDER BY taken_at DESC LIMIT 2").format(**names)
                cursor.execute(ordered, {"vacancy": vacancy})
                found += [dict(row) for row in cursor.fetchall()]
            return found

    def knows_snapshot(self, pipeline: str, snapshot: str) -> bool:
        """Say whether the history of a pipeline has a snapshot."""
        table = f"{pipeline}_snapshot"
        return self._stands(table) and bool(self._rows(table, sql.SQL("taken_at"), {"snapshot_id": snapshot}))

    def _stands(self, table: str) -> bool:
        statement = "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = 'mart' AND tablename = %s"
        with self.transaction("look for a table") as cursor:
            cursor.execute(statement, (table,))
            return _one(cursor) > 0

    def _rows(
        self,
        table: str,
        order: sql.Composable,
        wanted: Mapping[str, object],
        columns: Sequence[str] = (),
        limit: int | None = None,
    ) -> list[Row]:
        statement = _select(table, columns, order, wanted)
        if limit is not None:
            statement = sql.SQL("{} LIMIT {}").format(statement, sql.Literal(limit))
        with self.transaction(f"read mart.{table}", RealDictCursor) as cursor:
            cursor.execute(statement)
            return [dict(row) for row in cursor.fetchall()]


class _Digest:
    """A file that keeps the sha256 of what is written to it."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return len(data)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def _select(table: str, columns: Sequence[str], order: sql.Composable, wanted: Mapping[str, object]) -> sql.Composed:
    """Return a query with its values in it: COPY takes no parameters."""
    shown = sql.SQL(", ").join(map(sql.Identifier, columns)) if columns else sql.SQL("*")
    conditions = [sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in wanted.items()]
    where = sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true")
    return sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY {}").format(shown, sql.Identifier("mart", table), where, order)


def _one(cursor: psycopg2.extensions.cursor) -> int:
    ((count,),) = cursor.fetchall()
    return int(count)


def _name() -> str:
    return f"xflow_{uuid.uuid4().hex}"
