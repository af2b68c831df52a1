"""One Greenplum, or PostgreSQL: transactions and COPY, with its errors as ours."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import psycopg2.extensions
import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import parse_dsn

from xflow.adapters.greenplum_errors import mapped
from xflow.adapters.pgcopy import CopyStream, column_order
from xflow.errors import ConfigInvalid, ServiceUnavailable

READ_BYTES = 1024 * 1024
CONNECTION: dict[str, Any] = {
    "connect_timeout": 10,
    "application_name": "xflow",
    "client_encoding": "UTF8",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "options": "-c statement_timeout=2h",  # covers the wait for a lock, too
}


class GreenplumServer:
    """A server; every transaction is a connection of its own.

    Parameters
    ----------
    dsn
        ``postgresql://user:password@host:port/database``.
    """

    def __init__(self, dsn: str) -> None:
        try:
            parts = parse_dsn(dsn)
        except psycopg2.ProgrammingError:  # its text may show the password
            raise ConfigInvalid(
                "XFLOW_GREENPLUM_DSN must look like postgresql://user:password@host:5432/database"
            ) from None
        self._dsn = dsn
        self.address = f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"

    def __repr__(self) -> str:
        """Show the address without the credentials."""
        return f"{type(self).__name__}({self.address})"

    @contextmanager
    def transaction(
        self,
        action: str,
        factory: type[psycopg2.extensions.cursor] | None = None,
        *,
        name: str | None = None,
        settings: str = "",
    ) -> Iterator[psycopg2.extensions.cursor]:
        """Commit at the end of the block; closing the connection rolls back what was not committed.

        Parameters
        ----------
        action
            What it is for, for messages.
        name
            Makes the cursor one on the server.
        settings
            A statement to run first.
        """
        try:
            connection = psycopg2.connect(self._dsn, cursor_factory=factory, **CONNECTION)
            try:
                if settings:
                    connection.cursor().execute(settings)
                with connection.cursor(name) as cursor:
                    yield cursor
                connection.commit()
            finally:
                connection.close()
        except psycopg2.Error as error:
            raise mapped(error, f"Greenplum at {self.address}, {action}") from error


def copy(
    cursor: psycopg2.extensions.cursor,
    table: sql.Identifier,
    first: tuple[str, str],
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
) -> int:
    """Copy batches to a table; return the number of rows.

    Parameters
    ----------
    first
        A column, and its value in every row.

    Raises
    ------
    ServiceUnavailable
        The server took another number of rows than it was sent. What the batches raise passes through.
    """
    stream = CopyStream(first[1], schema, batches)
    columns = sql.SQL(", ").join(map(sql.Identifier, (first[0], *column_order(schema))))
    statement = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT binary)").format(table, columns)
    try:
        cursor.copy_expert(statement, stream, READ_BYTES)  # type: ignore[arg-type]  # it calls read alone
    except psycopg2.Error:
        if stream.failure is not None:
            raise stream.failure from None
        raise
    if cursor.rowcount != stream.rows:
        name = table.as_string(cursor)
        raise ServiceUnavailable(f"{name}: sent {stream.rows} rows, the server took {cursor.rowcount}")
    return stream.rows
