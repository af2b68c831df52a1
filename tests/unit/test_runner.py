"""What the runner makes of errors that no adapter knows, and what it says about the code that runs."""

import errno

import pytest

from xflow.adapters.memory import MemoryMart, MemoryStore
from xflow.code_version import git_commit
from xflow.errors import DiskFull, InputMissing
from xflow.pipeline import load
from xflow.refs import RunKey
from xflow.runner import _explained
from xflow.settings import Settings, pipelines_folder
from xflow.train_runner import TrainRunner


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_can_be_retried_and_names_the_folder(code, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    error = _explained(OSError(code, "No space left on device"))
    assert isinstance(error, DiskFull)
    assert str(tmp_path) in str(error)


@pytest.mark.parametrize("error", [OSError(errno.ENOENT, "No such file"), ValueError("other")])
def test_other_errors_stay_what_they_are(error):
    assert _explained(error) is error


@pytest.mark.parametrize("bundle", ["xflow@0123abcd", "dags-folder", None])
def test_the_ledger_and_the_registry_learn_which_code_runs(bundle):
    pipeline = load(pipelines_folder() / "tourism_monthly.yaml")
    key = RunKey(pipeline="tourism_monthly", kind="train", run_id="r")
    run = TrainRunner(Settings(*["unused"] * 9), pipeline, key, bundle=bundle)
    run.mart, run.store = MemoryMart(), MemoryStore()
    with pytest.raises(InputMissing):
        run.check_contract("s3://memory/absent.parquet")
    ledger = run.mart.run(key)
    assert (ledger["git_commit"], ledger["bundle"]) == (git_commit(), bundle)
    tags = {"git_commit": git_commit(), "dag_bundle": bundle}
    assert run.code == {name: value for name, value in tags.items() if value}
