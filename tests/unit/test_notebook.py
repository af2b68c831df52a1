"""Notebooks: what lies in the repository of them, and what their runner says."""

import os
import subprocess
import sys

import nbformat
import pytest

from xflow.settings import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "research").rglob("*.ipynb"))
RUNNER = REPOSITORY / "research" / "run_notebook.py"


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    found = nbformat.read(request.param, as_version=4)
    nbformat.validate(found)
    return found


def run(data, out, *notebooks):
    environment = os.environ | {"XFLOW_DATA": str(data), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(RUNNER), "--out", str(out), *notebooks]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)


def test_the_notebook_holds_no_outputs_and_no_counts_of_execution(notebook):
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) >= 5
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


def test_the_other_notebooks_run_when_one_fails(tmp_path):
    for name, source in (("1_fails", "1 / 0"), ("2_works", "print('done')")):
        cells = [nbformat.v4.new_code_cell(source)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / f"{name}.ipynb")
    answer = run(tmp_path, tmp_path / "out", tmp_path / "1_fails.ipynb", tmp_path / "2_works.ipynb")
    assert answer.returncode == 1
    assert "1_fails.ipynb: a cell failed" in answer.stderr
    assert "ZeroDivisionError" in answer.stderr
    assert answer.stdout.startswith("2_works.ipynb: 1 cells")
    assert "done" in (tmp_path / "out" / "2_works.ipynb").read_text()
