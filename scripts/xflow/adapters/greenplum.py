"""The mart and the run ledger in Greenplum, or in PostgreSQL on one machine."""

from collections.abc import Mapping, Sequence
from tempfile import TemporaryFile
from typing import Any

import psycopg2.extensions
from psycopg2 import sql
from psycopg2.extras import RealDictCursor
from pydantic_core import to_json

from xflow.adapters import greenplum_tables, served_predictions
from xflow.adapters.greenplum_maintenance import Changed, maintain
from xflow.adapters.greenplum_server import GreenplumServer, copy_stream, lock
from xflow.adapters.pgcopy import CopyStream, StoredStream, column_order
from xflow.errors import ConfigInvalid
from xflow.ports import TableRows
from xflow.refs import RunKey, TableLoad
from xflow.schema import RUN_SCHEMA, PipelineTables

KEY_COLUMNS = ("run_key", "pipeline", "kind", "run_id")
SERVER_COLUMNS = ("started_at", "updated_at")
NOW = sql.SQL("(now() AT TIME ZONE 'UTC')")


class GreenplumMart(GreenplumServer):
    """Mart tables and the run ledger.

    Parameters
    ----------
    dsn
        ``postgresql://user:password@host:port/database``.
    """

    def prepare(self, pipeline: str, tables: PipelineTables) -> None:
        """Create schema, tables and the lineage view when they are absent; see `xflow.ports.Mart`."""
        with self.transaction("prepare the mart") as cursor:
            greenplum_tables.prepare(cursor, pipeline, tables)
            served_predictions.prepare(cursor)

    def start_run(self, key: RunKey, facts: Mapping[str, Any]) -> None:
        """Write or reset the ledger row of a run: state ``running``, no figures but `facts`."""
        empty = {name: None for name in RUN_SCHEMA.names if name not in KEY_COLUMNS + SERVER_COLUMNS}
        with self.transaction("start a run") as cursor:
            lock(cursor, str(key))
            _note(cursor, key, {**empty, "state": "running", **facts}, restart=True)

    def load(self, key: RunKey, tables: Sequence[TableRows], facts: Mapping[str, Any]) -> list[TableLoad]:
        """Replace this run's rows in `tables` and update its ledger row, in one transaction.

        Streams the batches through COPY; on any error, also of the batches, nothing of it is kept.
        Two loads of one run wait for each other.

        Raises
        ------
        ContractViolated
            The server refuses a value: a text with a NUL character, a date out of range.
        ServiceUnavailable
            The server went away, is out of disk, or ended a deadlock.
        """
        own = {f"{key.pipeline}_input", f"{key.pipeline}_prediction"}
        loads, changes = dict[int, TableLoad](), dict[str, Changed]()
        with self.transaction("load " + ", ".join(f"mart.{rows.table}" for rows in tables)) as cursor:
            lock(cursor, str(key))
            # The tables of all pipelines come last, each prepared before it is locked: from its DELETE on Greenplum
            # locks it whole, to the commit. All loads take them in one order, so none waits for another in a circle.
            for at, rows in sorted(enumerate(tables), key=lambda each: (each[1].table not in own, each[1].table)):
                loads[at] = _replace(cursor, key, rows, changes, shared=rows.table not in own)
            # Last, since Greenplum locks the whole ledger from here to the commit.
            _note(cursor, key, facts)
        maintain(self, {**changes, "run": Changed()})
        return [loads[at] for at in range(len(tables))]

    def note_run(self, key: RunKey, facts: Mapping[str, Any]) -> None:
        """Update columns of the ledger row (`state`, `message`, `rows_out`, `metrics`, ...)."""
        with self.transaction("update mart.run") as cursor:
            _note(cursor, key, facts)

    def run(self, key: RunKey) -> dict[str, Any] | None:
        """Return the ledger row, or None."""
        with self.transaction("read mart.run", RealDictCursor) as cursor:
            cursor.execute("SELECT * FROM mart.run WHERE run_key = %s", (str(key),))
            row = cursor.fetchone()
        return dict(row) if row is not None else None

    def count(self, key: RunKey, table: str) -> int:
        """Return how many rows of a table carry this run's key."""
        with self.transaction(f"count mart.{table}") as cursor:
            cursor.execute(sql.SQL("SELECT count(*) FROM {} WHERE run_key = %s").format(_mart(table)), (str(key),))
            ((rows,),) = cursor.fetchall()
        return int(rows)


def _mart(table: str) -> sql.Identifier:
    return sql.Identifier("mart", table)


def _replace(
    cursor: psycopg2.extensions.cursor, key: RunKey, rows: TableRows, changes: dict[str, Changed], *, shared: bool
) -> TableLoad:
    """Replace a run's rows in a table, or add to those that this transaction has put there; note it in `changes`."""
    with TemporaryFile() as file:
        source = CopyStream(str(key), rows.schema, rows.batches)
        stream = StoredStream(source, file) if shared else source
        before = changes.get(rows.table) or Changed(deleted=_clear(cursor, key, rows.table))
        count = copy_stream(cursor, _mart(rows.table), ("run_key", *column_order(rows.schema)), stream)
    changes[rows.table] = before._replace(added=before.added + count)
    return TableLoad(table=rows.table, rows=count)


def _clear(cursor: psycopg2.extensions.cursor, key: RunKey, table: str) -> int:
    """Delete a run's rows when there are any, and return their number: a DELETE locks the whole table in Greenplum.

    A table is locked, whether rows are deleted or not, so that COPY never waits for it: on Greenplum it would keep a
    slot of its resource queue meanwhile, which LOCK does not.
    """
    one = sql.SQL("SELECT 1 FROM {} WHERE run_key = %s LIMIT 1").format(_mart(table))
    cursor.execute(one, (str(key),))
    if cursor.fetchone() is None:
        cursor.execute(sql.SQL("LOCK TABLE {} IN ROW EXCLUSIVE MODE").format(_mart(table)))
        return 0
    cursor.execute(sql.SQL("DELETE FROM {} WHERE run_key = %s").format(_mart(table)), (str(key),))
    return cursor.rowcount


def _note(cursor: psycopg2.extensions.cursor, key: RunKey, facts: Mapping[str, Any], *, restart: bool = False) -> None:
    unknown = sorted(set(facts) - set(RUN_SCHEMA.names))
    if unknown:
        raise ConfigInvalid(f"mart.run has no columns {', '.join(unknown)}: choose from {', '.join(RUN_SCHEMA.names)}")
    values = {name: _stored(value) for name, value in facts.items()}
    changes = [sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in values]
    times = SERVER_COLUMNS if restart else ("updated_at",)
    changes += [sql.SQL("{} = {}").format(sql.Identifier(name), NOW) for name in times]
    where = sql.SQL("UPDATE mart.run SET {} WHERE run_key = %(run_key)s").format(sql.SQL(", ").join(changes))
    cursor.execute(where, {**values, "run_key": str(key)})
    if cursor.rowcount == 0:
        _insert(cursor, key, values)


def _insert(cursor: psycopg2.extensions.cursor, key: RunKey, values: Mapping[str, object]) -> None:
    row: dict[str, object] = {
        "run_key": str(key),
        "pipeline": key.pipeline,
        "kind": key.kind,
        "run_id": key.run_id,
        "state": "running",
    }
    row |= values
    names = sql.SQL(", ").join(map(sql.Identifier, (*row, *SERVER_COLUMNS)))
    marks = sql.SQL(", ").join([*map(sql.Placeholder, row), NOW, NOW])
    cursor.execute(sql.SQL("INSERT INTO mart.run ({}) VALUES ({})").format(names, marks), row)


def _stored(value: object) -> object:
    """Return a fact as its column takes it: text without NUL, structures as JSON without NaN."""
    if value is None or isinstance(value, int):
        return value
    text = value if isinstance(value, str) else to_json(value, inf_nan_mode="null").decode()
    return text.replace("\x00", "\\x00")
