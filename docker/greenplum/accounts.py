"""Set the accounts of the mart in Greenplum, as its superuser.

Reads XFLOW_GREENPLUM_ADMIN_DSN, XFLOW_MART_PASSWORD, XFLOW_READER_PASSWORD and XFLOW_SERVING_DB_PASSWORD, and runs
the accounts.sql beside it. Running it again sets the passwords anew. The loader then owns the schema ``mart``, the
reader may read it, and the prediction service may also add to its log; none may do more.

In Greenplum the accounts get a resource queue of their own, of XFLOW_GREENPLUM_STATEMENTS (40) statements at once. They
would share that of everybody else, ``pg_default``, where 20 sessions that wait for a lock stop the one that holds it.
PostgreSQL, which stands in for Greenplum, has no such queues.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection, cursor, parse_dsn

ACCOUNTS = Path(__file__).with_name("accounts.sql")
PASSWORDS = {
    "loader": "XFLOW_MART_PASSWORD",
    "reader": "XFLOW_READER_PASSWORD",
    "serving": "XFLOW_SERVING_DB_PASSWORD",
}
ROLES = ("xflow", "xflow_reader", "xflow_serving")
QUEUE, STATEMENTS = "xflow", 40
NAMES = ("XFLOW_GREENPLUM_ADMIN_DSN", *PASSWORDS.values())
# Greenplum logs every statement unless told otherwise: passwords stay out of its log, also when one fails.
UNLOGGED = "-c log_statement=none -c log_min_duration_statement=-1 -c log_min_error_statement=panic"
WAIT_SECONDS = 180
PAUSE_SECONDS = 2


def set_accounts(
    dsn: str, passwords: Mapping[str, str], wait_seconds: float = WAIT_SECONDS, statements: int = STATEMENTS
) -> None:
    """Create the accounts, or give those there are these passwords and grants, in one transaction; then their queue.

    Parameters
    ----------
    dsn
        ``postgresql://superuser:password@host:port/database``, the database being the mart's.
    passwords
        Of ``loader``, ``reader`` and ``serving``.
    wait_seconds
        How long to wait for the server: at its first start Greenplum answers, and restarts once more.
    statements
        Of the accounts at once, in Greenplum.
    """
    session = _connect(dsn, wait_seconds)
    try:
        with session, session.cursor() as asked:
            for name, password in passwords.items():
                asked.execute("SELECT set_config(%s, %s, true)", (f"xflow.{name}_password", password))
            asked.execute(ACCOUNTS.read_text(encoding="utf-8"))
        session.autocommit = True  # Greenplum makes no queue within a transaction
        with session.cursor() as asked:
            asked.execute("SELECT version()")
            if "Greenplum Database" in asked.fetchone()[0]:
                _set_queue(asked, statements)
    except psycopg2.Error as error:
        raise SystemExit(f"{_where(dsn)}: the accounts of the mart could not be set: {_said(error)}") from None
    finally:
        session.close()


def _set_queue(asked: cursor, statements: int) -> None:
    asked.execute("SELECT count(*) FROM pg_catalog.pg_resqueue WHERE rsqname = %s", (QUEUE,))
    verb = "ALTER" if asked.fetchone()[0] else "CREATE"
    asked.execute(f"{verb} RESOURCE QUEUE {QUEUE} WITH (ACTIVE_STATEMENTS={statements})")
    for role in ROLES:
        asked.execute(f"ALTER ROLE {role} RESOURCE QUEUE {QUEUE}")


def _connect(dsn: str, wait_seconds: float) -> connection:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return psycopg2.connect(dsn, connect_timeout=10, options=UNLOGGED, application_name="xflow accounts")
        except psycopg2.OperationalError as error:
            said = " ".join(str(error).split())
            if "authentication failed" in said:
                raise SystemExit(
                    f"{_where(dsn)}: {said}. The server has kept an older password: give its superuser the one in "
                    "XFLOW_GREENPLUM_PASSWORD with docker/greenplum/superuser.sh."
                ) from None
            if "permission denied" in said:
                raise SystemExit(f"{_where(dsn)}: {said}. Sign in as its superuser.") from None
            if time.monotonic() >= deadline:
                raise SystemExit(f"{_where(dsn)}: no answer within {wait_seconds:.0f} s: {said}") from None
        time.sleep(PAUSE_SECONDS)


def _where(dsn: str) -> str:
    parts = parse_dsn(dsn)
    return f"Greenplum at {parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def _said(error: psycopg2.Error) -> str:
    """Return the server's first line: what follows it may repeat a statement."""
    return (error.diag.message_primary or str(error)).splitlines()[0]


def main() -> None:
    """Set the accounts from the environment."""
    missing = [name for name in NAMES if not os.environ.get(name)]
    if missing:
        raise SystemExit(f"accounts: {', '.join(missing)} not set. Run ./start.sh env, which writes them to .env.")
    dsn = os.environ["XFLOW_GREENPLUM_ADMIN_DSN"]
    try:
        parse_dsn(dsn)
    except psycopg2.ProgrammingError:  # its text may show the password
        raise SystemExit(
            "XFLOW_GREENPLUM_ADMIN_DSN must look like postgresql://gpadmin:password@host:5432/xflow"
        ) from None
    statements = os.environ.get("XFLOW_GREENPLUM_STATEMENTS") or str(STATEMENTS)
    if not statements.isdecimal() or int(statements) < 1:
        raise SystemExit(f"XFLOW_GREENPLUM_STATEMENTS is {statements!r}: a whole number of 1 or more is needed.")
    passwords = {account: os.environ[name] for account, name in PASSWORDS.items()}
    set_accounts(dsn, passwords, statements=int(statements))


if __name__ == "__main__":
    main()
