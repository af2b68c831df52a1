"""The study of the real dumps: what lies in the repository, and what its runner says."""

import os
import subprocess
import sys

import nbformat
import pytest

from xflow.settings import REPOSITORY

NOTEBOOK = REPOSITORY / "research" / "research.ipynb"
RUNNER = REPOSITORY / "research" / "run_notebook.py"


@pytest.fixture
def notebook():
    found = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(found)
    return found


def run(data, out):
    environment = os.environ | {"XFLOW_DATA": str(data), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(RUNNER), "--out", str(out)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_the_notebook_holds_no_outputs_and_no_counts_of_execution(notebook):
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) >= 10
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert notebook.metadata.kernelspec.name == "python3"


def test_every_code_cell_compiles(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            compile(cell.source, cell.id, "exec")


def test_without_the_dumps_the_runner_says_so_and_fails(tmp_path):
    answer = run(tmp_path / "nowhere", tmp_path / "out")
    assert answer.returncode == 1
    assert f"No dumps of vacancies in {tmp_path}/nowhere/vacancies: name the folder" in answer.stderr
    assert not (tmp_path / "out").exists()


def test_a_cell_that_fails_fails_the_run(tmp_path):
    broken = tmp_path / "vacancies" / "dump" / "vacancies.parquet"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no parquet")
    answer = run(tmp_path, tmp_path / "out")
    assert answer.returncode == 1
    assert "a cell failed" in answer.stderr
