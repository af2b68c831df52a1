"""The examples run from top to bottom on real servers, also where an interrupted one left something, and clean up."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psycopg2
import pytest
from feature_blocks import stored

from xflow.adapters.s3 import S3Store
from xflow.adapters.tarantool import TarantoolFeatures
from xflow.errors import InputMissing
from xflow.ports import SeriesBlock
from xflow.refs import RunKey
from xflow.settings import REPOSITORY, Settings

pytestmark = pytest.mark.services

EXAMPLES = sorted((REPOSITORY / "research" / "examples").glob("*.ipynb"), reverse=True)  # the longest begin first
RUNNER = REPOSITORY / "research" / "run_notebook.py"
KEY = RunKey(pipeline="example", kind="train", run_id="notebook")


@pytest.fixture
def store(stack: Settings) -> S3Store:
    return S3Store(stack.s3_endpoint, stack.s3_bucket, stack.s3_access_key, stack.s3_secret_key)


def run_sql(dsn: str, statement: str) -> list[tuple]:
    connection = psycopg2.connect(dsn)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


@pytest.fixture
def leftovers(stack: Settings, store: S3Store) -> None:
    """What an interrupted run may leave behind."""
    store.put("examples/sales/part-0.parquet", b"half a parquet")
    store.put("examples/dag/north.csv", b"1")
    run_sql(stack.greenplum_dsn, "CREATE TABLE IF NOT EXISTS mart.example_sales (other integer)")
    block = SeriesBlock("another", 1, np.ones(3), np.empty((0, 0)), 2)
    TarantoolFeatures(stack.tarantool_uri).write(KEY, {"freq": "M"}, [block])


@pytest.mark.usefixtures("leftovers")
def test_every_example_runs_and_leaves_nothing(
    stack: Settings, store: S3Store, stack_home: Path, tmp_path: Path
) -> None:
    assert len(EXAMPLES) == 5
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "MLFLOW"))}
    environment |= {"XFLOW_ENV_FILE": str(stack_home / "env"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, RUNNER, "--out", tmp_path, *EXAMPLES],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert sorted(line.partition(":")[0] for line in done.stdout.splitlines()) == sorted(e.name for e in EXAMPLES)
    with pytest.raises(InputMissing):
        store.list("examples/")
    assert run_sql(stack.greenplum_dsn, "SELECT to_regclass('mart.example_sales')") == [(None,)]
    assert stored(stack.tarantool_uri, KEY) == []
