"""What a table wants once rows were added, changed or deleted: their space given back, and statistics.

Greenplum does neither by itself for the tables of users: it analyzes one at its first load and never again, and the
rows that were deleted stay. This happens after the transaction that changed the tables, and none of it fails a run.
"""

import logging
from collections.abc import Mapping
from typing import NamedTuple

import psycopg2
import psycopg2.extensions

from xflow.adapters.greenplum_dialect import dialect_of
from xflow.adapters.greenplum_errors import mapped
from xflow.adapters.greenplum_server import GreenplumServer, scalar
from xflow.errors import XflowError

log = logging.getLogger("xflow")

GROWN = 1.2
"""A table of so many times its size, or of its rows, when it was last looked at is looked at again."""
HOLLOW = 0.2
"""A compressed column table on Greenplum 6 is written anew when more than this share of its rows is deleted."""
REPLACED = 0.4
"""Another one is, when more than this share of what it holds was deleted at once."""
# A table that others use at this moment is left to the next time; what readers would wait for ends soon.
LIMITS = "SET lock_timeout = '200ms'; SET statement_timeout = '60s'"

SIZES = """
SELECT pg_relation_size(c.oid), c.relpages::bigint * current_setting('block_size')::bigint, c.reltuples
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'mart' AND c.relname = %s
"""
ROWS = "SELECT reltuples FROM pg_catalog.pg_class WHERE oid = %s::regclass"
COLUMN_TABLE = "SELECT relstorage IN ('a', 'c') FROM pg_catalog.pg_class WHERE oid = %s::regclass"  # Greenplum 6
HIDDEN = """
SELECT coalesce(sum(hidden_tupcount)::double precision / nullif(sum(total_tupcount), 0), 0)
FROM gp_toolkit.__gp_aovisimap_compaction_info(%s::regclass)
"""


class Changed(NamedTuple):
    """How many rows a transaction has deleted from a table and added to it, as far as that is known."""

    deleted: int = 0
    added: int = 0


def maintain(server: GreenplumServer, changes: Mapping[str, Changed]) -> None:
    """Give back space and bring statistics up to date, where tables of the mart have changed enough.

    Parameters
    ----------
    changes
        Tables that a transaction has written to. Of a table that has grown the size tells, too.
    """
    try:
        with server.statements("maintain the mart") as cursor:
            cursor.execute(LIMITS)
            for table, changed in changes.items():
                _look_after(cursor, table, changed)
    except XflowError as error:
        log.warning("the mart is not maintained this time: %s", error)


def _look_after(cursor: psycopg2.extensions.cursor, table: str, changed: Changed) -> None:
    try:
        cursor.execute(SIZES, (table,))
        grown = any(
            size > GROWN * before or changed.added > (GROWN - 1) * max(rows, 0)
            for size, before, rows in cursor.fetchall()
        )
        if changed.deleted or grown:
            _maintain(cursor, f'mart."{table}"', changed.deleted)
    except psycopg2.Error as error:
        log.warning("%s", mapped(error, f"mart.{table} is not maintained this time"))


def _maintain(cursor: psycopg2.extensions.cursor, table: str, deleted: int) -> None:
    # There VACUUM leaves a column table as it is that was filled by COPY alone.
    if dialect_of(cursor).greenplum == 6 and _value(cursor, COLUMN_TABLE, table):
        if _value(cursor, HIDDEN, table) > HOLLOW:
            cursor.execute(f"ALTER TABLE {table} SET WITH (reorganize=true)")
        cursor.execute(f"ANALYZE {table}")
        return
    cursor.execute(f"VACUUM ANALYZE {table}")
    if deleted > REPLACED * _value(cursor, ROWS, table):
        cursor.execute(f"VACUUM FULL {table}")


def _value(cursor: psycopg2.extensions.cursor, statement: str, table: str) -> float:
    cursor.execute(statement, (table,))
    return float(scalar(cursor))
