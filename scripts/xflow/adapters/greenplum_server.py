"""One Greenplum, or PostgreSQL: sessions, transactions, advisory locks and COPY, with its errors as ours."""

import hashlib
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import psycopg2
import psycopg2.extensions
import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import parse_dsn

from xflow.adapters.greenplum_errors import mapped
from xflow.adapters.pgcopy import PIECE_BYTES, CopyStream, StoredStream, column_order
from xflow.errors import ConfigInvalid, ServiceUnavailable

STATEMENT_SECONDS = 7_200  # covers the wait for the lock of a table, too
NO_LIMITS: Mapping[str, int] = MappingProxyType({})
LOCK_SECONDS = 7_200.0
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 1.0  # seconds between two tries for an advisory lock
CONNECTION: dict[str, Any] = {
    "connect_timeout": 10,
    "application_name": "xflow",
    "client_encoding": "UTF8",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
SETTINGS = {
    # Before PostgreSQL 12, so on Greenplum 6, the text of a float leaves out its last digits unless told otherwise.
    "extra_float_digits": "3",
    # Times in the mart are UTC without a zone: a time with one is compared in the session's.
    "timezone": "UTC",
    # PostgreSQL takes parts of a statement for far smaller than they are, and then loops for minutes. Greenplum has
    # this off by itself.
    "enable_nestloop": "off",
}
"""What every session has set, whatever the server, the database or the role set."""
COMPILING = 110_000
"""Version from which a server compiles statements that it takes for long ones, as it does all that must loop: for the
mart's that takes longer than they do. An older one refuses the setting."""


def connect(
    dsn: str,
    factory: type[psycopg2.extensions.cursor] | None = None,
    *,
    statement_seconds: int = STATEMENT_SECONDS,
    limits: Mapping[str, int] = NO_LIMITS,
) -> psycopg2.extensions.connection:
    """Open a session. All of the product's sessions on the mart are opened here.

    Parameters
    ----------
    dsn
        Its own ``options`` are kept; those of `SETTINGS` come after them.
    statement_seconds
        After which the server gives up a statement.
    limits
        Of libpq, in place of those of `CONNECTION`.
    """
    settings = {**SETTINGS, "statement_timeout": f"{statement_seconds}s"}
    options = [parse_dsn(dsn).get("options", ""), *(f"-c {name}={value}" for name, value in settings.items())]
    more = {**CONNECTION, **limits, "options": " ".join(filter(None, options))}
    connection: psycopg2.extensions.connection = psycopg2.connect(dsn, cursor_factory=factory, **more)
    if connection.server_version >= COMPILING:
        connection.autocommit = True
        connection.cursor().execute("SET jit TO off")
        connection.autocommit = False
    return connection


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
        with self._connected(action, factory) as connection:
            if settings:
                connection.cursor().execute(settings)
            with connection.cursor(name) as cursor:
                yield cursor
            connection.commit()

    @contextmanager
    def statements(self, action: str) -> Iterator[psycopg2.extensions.cursor]:
        """Give a cursor each of whose statements is a transaction of its own, as VACUUM wants it."""
        with self._connected(action, None) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor

    @contextmanager
    def _connected(
        self, action: str, factory: type[psycopg2.extensions.cursor] | None
    ) -> Iterator[psycopg2.extensions.connection]:
        try:
            connection = connect(self._dsn, factory)
            try:
                yield connection
            finally:
                connection.close()
        except psycopg2.Error as error:
            raise mapped(error, f"Greenplum at {self.address}, {action}") from error


def scalar(cursor: psycopg2.extensions.cursor) -> Any:
    """Return the one value of the one row that a statement gave, whatever rows the cursor makes."""
    (row,) = cursor.fetchall()
    (value,) = row.values() if isinstance(row, dict) else row
    return value


def lock(cursor: psycopg2.extensions.cursor, what: int | str, seconds: float = LOCK_SECONDS) -> None:
    """Take an advisory lock, which the end of the transaction gives back.

    It is asked for by short statements: on Greenplum one that waits in the server keeps a slot of its resource queue,
    and with as many waiting as there are slots, the transaction that has the lock gets none and cannot end.

    Parameters
    ----------
    what
        The number of the lock, or a text that it is made of.

    Raises
    ------
    ServiceUnavailable
        Others had it all the time.
    """
    number = what
    if isinstance(what, str):
        number = int.from_bytes(hashlib.sha256(what.encode()).digest()[:8], "big", signed=True)
    deadline, pause = time.monotonic() + seconds, FIRST_PAUSE
    while True:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s) AS taken", (number,))
        if scalar(cursor):
            return
        if time.monotonic() >= deadline:
            raise ServiceUnavailable(
                f"another transaction has had the lock {what} for {seconds:.0f} s. Nothing was kept; the task may run "
                "again. The view pg_locks shows who has it, as locktype advisory."
            )
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  it spreads sessions, and guards nothing
        pause = min(2 * pause, LONGEST_PAUSE)


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
    return copy_stream(cursor, table, (first[0], *column_order(schema)), CopyStream(first[1], schema, batches))


def copy_stream(
    cursor: psycopg2.extensions.cursor,
    table: sql.Identifier,
    names: Sequence[str],
    stream: CopyStream | StoredStream,
) -> int:
    """Copy a stream with these columns to a table; see `copy`."""
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    statement = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT binary)").format(table, columns)
    try:
        cursor.copy_expert(statement, stream, PIECE_BYTES)  # type: ignore[arg-type]  # it calls read alone
    except psycopg2.Error:
        if stream.failure is not None:
            raise stream.failure from None
        raise
    if cursor.rowcount != stream.rows:
        name = table.as_string(cursor)
        raise ServiceUnavailable(f"{name}: sent {stream.rows} rows, the server took {cursor.rowcount}")
    return stream.rows
