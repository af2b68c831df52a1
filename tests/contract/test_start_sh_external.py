"""start.sh with stores outside the stack: they are used, and its own servers of them do not start."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from test_start_sh import Stack

from xflow.settings import Settings, read_env_file

pytestmark = pytest.mark.services

TAKEN = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "XFLOW_MLFLOW_S3_ACCESS_KEY", "XFLOW_MLFLOW_S3_SECRET_KEY")
UP = ("up", "--native", "--services", "postgres,tarantool,s3")


@pytest.fixture(scope="module")
def stack(stores: Settings, stack_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own that is told of the stores of another one."""
    made, other = Stack(tmp_path_factory.mktemp("external")), read_env_file(stack_home / "env")
    lines = {name: other[name] for name in TAKEN} | {
        "XFLOW_STACK_GREENPLUM_DSN": other["XFLOW_GREENPLUM_DSN"],
        "XFLOW_STACK_SERVING_DSN": other["XFLOW_SERVING_DSN"],
        "XFLOW_STACK_S3_ENDPOINT": other["XFLOW_S3_ENDPOINT"],
        "XFLOW_STACK_TARANTOOL_URI": other["XFLOW_TARANTOOL_URI"],
    }
    (made.home / ".env").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    done = made.run(*UP)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Greenplum  outside the stack: 127.0.0.1:" in done.stdout
    yield made
    assert made.run("reset", "--yes").returncode == 0


def test_what_runs_with_the_stack_uses_them(stack: Stack, stores: Settings) -> None:
    names = ("s3_endpoint", "s3_access_key", "s3_secret_key", "greenplum_dsn", "tarantool_uri")
    assert {name: getattr(stack.settings, name) for name in names} == {name: getattr(stores, name) for name in names}
    stack.bucket.put_object(Key="external", Body=b"1")
    assert stack.execute("SELECT current_user") == [("xflow",)]
    assert stack.ping() > 0


def test_its_own_servers_of_them_do_not_run_and_status_says_where_they_are(stack: Stack) -> None:
    assert sorted(path.name for path in (stack.home / "run").glob("*.pid")) == ["postgres.pid"]
    said = stack.run("status").stdout
    assert "postgres               healthy" in said, "Airflow's and MLflow's metadata stay in it"
    assert "tarantool  " not in said
    for line in ("S3         outside", "Greenplum  outside", "Tarantool  outside"):
        assert line in said
    assert stack.variables["XFLOW_TARANTOOL_PASSWORD"] not in said


def test_new_passwords_leave_theirs_alone(stack: Stack) -> None:
    before = stack.variables
    done = stack.run("rotate", "--native", "--services", "postgres")
    kept = ("XFLOW_GREENPLUM_DSN", "XFLOW_READER_DSN", "XFLOW_SERVING_DSN", "XFLOW_TARANTOOL_URI", *TAKEN)
    after = stack.variables
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}, done.stderr
    assert after["XFLOW_AIRFLOW_DB_PASSWORD"] != before["XFLOW_AIRFLOW_DB_PASSWORD"]
