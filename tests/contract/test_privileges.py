"""Who may do what in the databases: every account does its own work and is refused everything else."""

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from mart_rows import TABLES
from psycopg2.errors import InsufficientPrivilege

from xflow.adapters.greenplum import GreenplumMart
from xflow.settings import REPOSITORY, Settings, read_env_file

pytestmark = pytest.mark.services

PASSWORDS = {
    "xflow": "XFLOW_MART_PASSWORD",
    "xflow_reader": "XFLOW_READER_PASSWORD",
    "xflow_serving": "XFLOW_SERVING_DB_PASSWORD",
    "airflow": "XFLOW_AIRFLOW_DB_PASSWORD",
    "mlflow": "XFLOW_MLFLOW_DB_PASSWORD",
}
OWN = {
    "xflow": ["xflow"],
    "xflow_reader": ["xflow"],
    "xflow_serving": ["xflow"],
    "airflow": ["airflow"],
    "mlflow": ["mlflow", "mlflow_auth"],
}
READERS = ("XFLOW_READER_DSN", "XFLOW_SERVING_DSN")
DATABASES = ("xflow", "airflow", "mlflow", "mlflow_auth", "postgres", "template1")


@pytest.fixture(scope="module")
def variables(request: pytest.FixtureRequest, stores: Settings, stack_home: Path) -> dict[str, str]:
    """What the .env of the running stack says."""
    if request.config.getoption("--greenplum-dsn"):
        pytest.skip("the databases and accounts of the stack's own PostgreSQL, where no mart lies now")
    return read_env_file(stack_home / "env")


def run_sql(dsn: str, statement: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(dsn)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def dsn_of(variables: dict[str, str], role: str, database: str) -> str:
    password, port = variables[PASSWORDS[role]], variables["XFLOW_POSTGRES_PORT"]
    return f"postgresql://{role}:{password}@127.0.0.1:{port}/{database}"


@pytest.fixture
def table(variables: dict[str, str]) -> Iterator[str]:
    """A table with one row that the loader has made just now, and a view of it."""
    name, loader = f"mart.t_{uuid.uuid4().hex[:12]}", variables["XFLOW_GREENPLUM_DSN"]
    run_sql(loader, f"CREATE TABLE {name} AS SELECT 1 AS i; CREATE VIEW {name}_view AS SELECT i FROM {name}")
    yield name
    run_sql(loader, f"DROP TABLE {name} CASCADE")


@pytest.mark.parametrize("reader", READERS)
def test_readers_see_what_the_loader_makes(variables: dict[str, str], table: str, reader: str) -> None:
    for seen in (table, f"{table}_view"):
        assert run_sql(variables[reader], f"SELECT i FROM {seen}") == [(1,)]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {table} VALUES (2)",
        "UPDATE {table} SET i = 2",
        "DELETE FROM {table}",
        "TRUNCATE {table}",
        "BEGIN; LOCK TABLE {table} IN EXCLUSIVE MODE",
        "DROP TABLE {table}",
        "ALTER TABLE {table} ADD COLUMN j int",
        "CREATE TABLE {table}_more (i int)",
        "CREATE TEMPORARY TABLE t (i int)",
        "CREATE TABLE public.t (i int)",
        "CREATE SCHEMA t",
        "SELECT lo_create(0)",
        "SET ROLE xflow",
    ],
)
def test_readers_only_read(variables: dict[str, str], table: str, reader: str, statement: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        run_sql(variables[reader], statement.format(table=table))
    assert run_sql(variables[reader], f"SELECT i FROM {table}") == [(1,)]


def add_served(dsn: str, request_id: str) -> None:
    """Add a row to the log of served predictions."""
    values = f"'b', now(), '{request_id}', 0, '', '', '', '', '', '', '', '', '', 0"
    run_sql(dsn, f"INSERT INTO mart.served_prediction VALUES ({values})")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {log} SET caller = 'x'",
        "DELETE FROM {log}",
        "TRUNCATE {log}",
        "DROP TABLE {log}",
        "ALTER TABLE {log} ADD COLUMN j int",
        "INSERT INTO mart.run SELECT * FROM mart.run",
        "INSERT INTO mart.rejected_row SELECT * FROM mart.rejected_row",
    ],
)
def test_the_service_adds_to_its_log_and_does_no_more(
    stores: Settings, variables: dict[str, str], statement: str
) -> None:
    GreenplumMart(stores.greenplum_dsn).prepare("t_served", TABLES)
    request_id = f"t_{uuid.uuid4().hex}"
    add_served(variables["XFLOW_SERVING_DSN"], request_id)
    mine = f"SELECT caller FROM mart.served_prediction WHERE request_id = '{request_id}'"
    try:
        with pytest.raises(InsufficientPrivilege):
            run_sql(variables["XFLOW_SERVING_DSN"], statement.format(log="mart.served_prediction"))
        assert run_sql(variables["XFLOW_SERVING_DSN"], mine) == [("",)]
        with pytest.raises(InsufficientPrivilege):
            add_served(variables["XFLOW_READER_DSN"], request_id)
    finally:
        run_sql(stores.greenplum_dsn, f"DELETE FROM mart.served_prediction WHERE request_id = '{request_id}'")


def test_the_loader_may_make_temporary_tables(stores: Settings) -> None:
    assert run_sql(stores.greenplum_dsn, "CREATE TEMPORARY TABLE t AS SELECT 1 AS i; SELECT i FROM t") == [(1,)]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE DATABASE t",
        "DROP DATABASE airflow",
        "ALTER DATABASE xflow OWNER TO xflow",
        "CREATE SCHEMA t",
        "DROP SCHEMA public",
        "CREATE TABLE public.t (i int)",
        "CREATE ROLE t",
        "ALTER ROLE xflow_reader SUPERUSER",
        "ALTER ROLE airflow PASSWORD 't'",
        "SET ROLE postgres",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('postgresql.conf')",
    ],
)
def test_the_loader_keeps_to_its_schema(stores: Settings, statement: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        run_sql(stores.greenplum_dsn, statement)


@pytest.mark.parametrize("role", PASSWORDS)
def test_a_role_signs_in_to_its_own_databases_alone(variables: dict[str, str], role: str) -> None:
    for database in DATABASES:
        if database in OWN[role]:
            assert run_sql(dsn_of(variables, role, database), "SELECT current_user") == [(role,)]
        else:
            with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
                run_sql(dsn_of(variables, role, database), "SELECT 1")


@pytest.mark.parametrize("credentials", ["xflow:wrong", "xflow_reader:wrong", "xflow", "postgres", "postgres:postgres"])
def test_nobody_signs_in_without_the_password(variables: dict[str, str], credentials: str) -> None:
    with pytest.raises(psycopg2.OperationalError, match=r"authentication failed|no password supplied"):
        run_sql(f"postgresql://{credentials}@127.0.0.1:{variables['XFLOW_POSTGRES_PORT']}/xflow", "SELECT 1")


def test_passwords_and_grants_are_set_anew_at_every_start(run_start_sh: Callable[..., None], tmp_path: Path) -> None:
    up = ("up", "--services", "postgres")
    run_start_sh(tmp_path, *up)
    try:
        before = read_env_file(tmp_path / "env")
        GreenplumMart(before["XFLOW_GREENPLUM_DSN"]).prepare("t_served", TABLES)
        # As in a mart whose log is older than the service's account.
        run_sql(before["XFLOW_GREENPLUM_DSN"], "REVOKE INSERT ON mart.served_prediction FROM xflow_serving")
        run_start_sh(tmp_path, "stop")
        text = (tmp_path / "env").read_text()
        for name in PASSWORDS.values():
            text = text.replace(f"{name}={before[name]}", f"{name}=another{before[name]}")
        (tmp_path / "env").write_text(text)
        run_start_sh(tmp_path, *up)
        after = read_env_file(tmp_path / "env")
        add_served(dsn_of(after, "xflow_serving", "xflow"), "r")
        for role, name in PASSWORDS.items():
            database = OWN[role][0]
            assert run_sql(dsn_of(after, role, database), "SELECT current_user") == [(role,)]
            with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
                run_sql(dsn_of({**after, name: before[name]}, role, database), "SELECT 1")
            assert before[name] not in (tmp_path / "logs" / "postgres.log").read_text()
    finally:
        run_start_sh(tmp_path, "reset", "--yes")


@pytest.mark.parametrize(
    ("admin", "said"),
    [
        ("", "XFLOW_GREENPLUM_ADMIN_DSN not set. Run ./start.sh env"),
        ("postgresql:/gpadmin:hidden@@:x", "must look like postgresql://gpadmin"),
        ("postgresql://gpadmin:hidden@127.0.0.1:{port}/xflow", "superuser.sh"),
        ("postgresql://xflow:{loader}@127.0.0.1:{port}/xflow", "Sign in as its superuser"),
    ],
)
def test_accounts_py_says_what_is_wrong(variables: dict[str, str], admin: str, said: str) -> None:
    dsn = admin.format(port=variables["XFLOW_POSTGRES_PORT"], loader=variables["XFLOW_MART_PASSWORD"])
    names = ("XFLOW_MART_PASSWORD", "XFLOW_READER_PASSWORD", "XFLOW_SERVING_DB_PASSWORD")
    passwords = {name: f"hidden {name}" for name in names}
    done = subprocess.run(
        [sys.executable, REPOSITORY / "docker" / "greenplum" / "accounts.py"],
        env={**passwords, "XFLOW_GREENPLUM_ADMIN_DSN": dsn},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "hidden" not in done.stderr
    assert variables["XFLOW_MART_PASSWORD"] not in done.stderr


def test_no_process_shows_a_secret(variables: dict[str, str], stack_home: Path) -> None:
    secrets = [variables[name] for name in (*PASSWORDS.values(), "AWS_SECRET_ACCESS_KEY", "XFLOW_TARANTOOL_PASSWORD")]
    for server in ("postgres", "tarantool", "s3"):
        pid = (stack_home / "run" / f"{server}.pid").read_text().split()[0]
        shown = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        assert shown
        assert not [secret for secret in secrets if secret in shown]
