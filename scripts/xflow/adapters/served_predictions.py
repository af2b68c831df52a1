"""The log of served predictions in Greenplum: the table ``mart.served_prediction``."""

from importlib.resources import files
from string import Template

import psycopg2.extensions
import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import sql

from xflow.adapters.greenplum_dialect import dialect_of
from xflow.adapters.greenplum_server import GreenplumServer, copy, lock, scalar
from xflow.adapters.greenplum_tables import COLUMN_TYPES, PREPARE_LOCK, create_schema
from xflow.schema import SERVED_SCHEMA

TABLE = sql.Identifier("mart", "served_prediction")
WRITE_LOCK = 0x7365727665  # "serve": one batch at a time
PATIENCE_SECONDS = 60
PATIENCE = f"SET statement_timeout = '{PATIENCE_SECONDS}s'"
THERE = """
SELECT 1 FROM mart.served_prediction WHERE batch_id = %s AND served_at BETWEEN %s AND %s LIMIT 1
"""


class GreenplumServedPredictions(GreenplumServer):
    """The log of served predictions.

    Parameters
    ----------
    dsn
        ``postgresql://user:password@host:port/database``, of a role that may read the mart and add to this table.
    """

    def write(self, batch_id: str, rows: pa.RecordBatch, *, again: bool) -> None:
        """Add a batch as a whole.

        Parameters
        ----------
        batch_id
            Any text of its own.
        rows
            Of `xflow.schema.SERVED_SCHEMA`, one or more.
        again
            The batch was sent before and nobody knows what became of it: it is added unless it is there. An earlier
            transaction that the server still works on is waited for.

        Raises
        ------
        ContractViolated
            The server refuses a value.
        ServiceUnavailable
            The server went away: whether it took the batch is not known.
        ConfigInvalid, AccessDenied
            The table does not stand yet, or the role may not add to it.
        """
        with self.transaction("write mart.served_prediction", settings=PATIENCE) as cursor:
            lock(cursor, WRITE_LOCK, PATIENCE_SECONDS)
            if again and _there(cursor, batch_id, rows):
                return
            copy(cursor, TABLE, ("batch_id", batch_id), SERVED_SCHEMA, [rows])


def prepare(cursor: psycopg2.extensions.cursor) -> None:
    """Create the table when it is absent, as the loader, and let the service add to it when it has an account."""
    if _stands(cursor):
        return
    lock(cursor, PREPARE_LOCK)
    if _stands(cursor):
        return
    create_schema(cursor)
    dialect = dialect_of(cursor)
    columns = "".join(f',\n    "{f.name}" {COLUMN_TYPES[f.type]} NOT NULL' for f in SERVED_SCHEMA)
    text = files("xflow.sql").joinpath("served_prediction.sql").read_text(encoding="utf-8")
    cursor.execute(Template(text).substitute(columns=columns, storage=dialect.spread("request_id")))
    if not dialect.greenplum:
        cursor.execute("CREATE INDEX ON mart.served_prediction USING brin (served_at) WITH (autosummarize = on)")
    # docker/greenplum/accounts.sql makes the account; where it does so later, it grants this itself.
    if _told(cursor, "EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = 'xflow_serving')"):
        cursor.execute("GRANT INSERT ON mart.served_prediction TO xflow_serving")


def _stands(cursor: psycopg2.extensions.cursor) -> bool:
    return _told(cursor, "to_regclass('mart.served_prediction') IS NOT NULL")


def _told(cursor: psycopg2.extensions.cursor, condition: str) -> bool:
    cursor.execute(f"SELECT {condition}")
    return bool(scalar(cursor))


def _there(cursor: psycopg2.extensions.cursor, batch_id: str, rows: pa.RecordBatch) -> bool:
    times = pc.min_max(rows.column("served_at")).as_py()
    cursor.execute(THERE, (batch_id, times["min"], times["max"]))
    return cursor.fetchone() is not None
