"""What differs between PostgreSQL, Greenplum 6 and Greenplum 7 in the statements that xFlow sends."""

import re
from dataclasses import dataclass

import psycopg2.extensions

from xflow.adapters.greenplum_server import scalar

COLUMNS = "WITH (appendonly=true, orientation=column, compresstype=zstd, compresslevel=1)"


@dataclass(frozen=True)
class Dialect:
    """The kind of a server.

    Attributes
    ----------
    greenplum
        Its major version; 0 is PostgreSQL.
    """

    greenplum: int

    def spread(self, column: str) -> str:
        """Return the end of the DDL of a small table that changes: it stays on the heap."""
        return f"DISTRIBUTED BY ({column})" if self.greenplum else ""

    def facts(self, column: str) -> str:
        """Return the end of the DDL of a table of facts: compressed columns, which rows are only added to."""
        return f"{COLUMNS} {self.spread(column)}" if self.greenplum else ""


def dialect_of(cursor: psycopg2.extensions.cursor) -> Dialect:
    """Ask a server what it is."""
    cursor.execute("SELECT version() AS version")
    found = re.search(r"Greenplum Database (\d+)", scalar(cursor))
    return Dialect(int(found[1]) if found else 0)
