"""What the board reads from the mart: short statements, in transactions that can write nothing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from string import Template
from typing import Any

import psycopg2.extensions
from psycopg2.extras import RealDictCursor

from xflow.adapters.greenplum_server import GreenplumServer

Row = dict[str, Any]

# A person waits: what takes longer is given up, and not left to run for a page that was closed.
LIMITS = """
SET LOCAL statement_timeout TO '10s';
SET TRANSACTION READ ONLY
"""


class Reading:
    """One transaction, in which every statement sees the mart as it was at one moment or later."""

    def __init__(self, cursor: psycopg2.extensions.cursor) -> None:
        self._cursor = cursor

    def rows(self, statement: str, values: Mapping[str, object] | None = None, **words: str) -> list[Row]:
        """Return the rows of a statement.

        Parameters
        ----------
        statement
            With ``%(name)s`` for values and ``$name`` for words of SQL.
        words
            Names of tables, which must come from a pipeline's file, never from a request.
        """
        self._cursor.execute(Template(statement).substitute(words), values or {})
        return [dict(row) for row in self._cursor.fetchall()]

    def row(self, statement: str, values: Mapping[str, object] | None = None, **words: str) -> Row | None:
        """Return the first row of a statement, or None."""
        return next(iter(self.rows(statement, values, **words)), None)

    def has(self, *tables: str) -> bool:
        """Tell whether tables or views of the mart stand; those of a pipeline are made by its first run."""
        return all(found["stands"] for found in self._standing(tables))

    def _standing(self, tables: Sequence[str]) -> list[Row]:
        statement = "SELECT to_regclass(%(table)s) IS NOT NULL AS stands"
        return [row for table in tables for row in self.rows(statement, {"table": f"mart.{table}"})]


class BoardReader(GreenplumServer):
    """The mart, as the board reads it; each reading is a connection of its own, and its answers are kept a while.

    The mart's fact tables have no index on Greenplum, where they are compressed column tables: a statement about one
    run reads the column `run_key` of all, some bytes for every thousand rows as a run's lie together.
    """

    @contextmanager
    def reading(self, action: str) -> Iterator[Reading]:
        """Read in one transaction.

        Raises
        ------
        ServiceUnavailable
            The server does not answer, or a statement takes more than ten seconds.
        """
        with self.transaction(action, RealDictCursor, settings=LIMITS) as cursor:
            yield Reading(cursor)
