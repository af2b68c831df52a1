"""What the scheduler imports for the tasks that it forks."""

import os
import subprocess
import sys

from xflow.preload import PACKAGES
from xflow.settings import REPOSITORY

FORK = """
import os, sys, threading
from xflow_preload import Preload
Preload().on_starting(component=None)
loaded = all(package in sys.modules for package in sys.argv[1:])
inherited = "XFLOW_PRELOAD" in os.environ
if not loaded:
    sys.exit(10)
if inherited or threading.active_count() != 1 or any(name.startswith("xflow.domain") for name in sys.modules):
    sys.exit(11)
child = os.fork()
if child == 0:
    import numpy, pyarrow, pyarrow.parquet, xgboost
    rows = numpy.random.default_rng(0).random((500, 500))
    rows @ rows
    table = pyarrow.table({"a": rows[:, 0]})
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink)
    pyarrow.parquet.read_table(pyarrow.BufferReader(sink.getvalue()), use_threads=True)
    xgboost.train({"nthread": 2}, xgboost.DMatrix(rows[:, 1:], rows[:, 0]), 2)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def run(environment: dict[str, str], preload: str) -> int:
    plugins = str(REPOSITORY / "docker" / "airflow" / "plugins")
    variables = os.environ | environment | {"PYTHONPATH": plugins, "XFLOW_PRELOAD": preload}
    return subprocess.run([sys.executable, "-c", FORK, *PACKAGES], env=variables, timeout=300, check=False).returncode


def test_a_forked_task_finds_the_packages_imported_and_can_work_with_them(airflow_environment: dict[str, str]) -> None:
    assert run(airflow_environment, "1") == 0


def test_without_being_asked_nothing_is_imported(airflow_environment: dict[str, str]) -> None:
    assert run(airflow_environment, "") == 10
