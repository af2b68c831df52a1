"""DAG bundles in Airflow's own hands: one of a Git repository with two versions, and one of a folder that is read-only.

Needs git, as the Git bundle does.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_connections import CONNECTIONS

from xflow.settings import REPOSITORY

PROBE = Path(__file__).with_name("parse_bundle.py")
TRAIN_TASK = ("train.py", "tourism_monthly_train", "train.plan")
COLLECT_TASK = ("collect.py", "vacancies_collect", "collect")

DAG_FILES = [path for path in (REPOSITORY / "dags").glob("*.py") if "for each in pipelines():" in path.read_text()]

Use = Callable[..., Any]


@dataclass
class Checkout:
    """A repository that a Git bundle reads: `folder` has its `dags`."""

    folder: Path

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@t")
        done = subprocess.run(
            ["git", "-C", self.folder, *identity, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self) -> str:
        """Commit everything; return the commit."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "a version")
        return self.git("rev-parse", "HEAD")

    def change(self, file: str, old: str, new: str) -> None:
        path = self.folder / "dags" / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


def copy_dags(folder: Path) -> Path:
    return shutil.copytree(REPOSITORY / "dags", folder / "dags", ignore=shutil.ignore_patterns("__pycache__"))


def git_bundle(repository: Path) -> dict[str, Any]:
    """Return the configuration that the README names, for a repository on this machine."""
    arguments = {"repo_url": f"file://{repository}", "tracking_ref": "main", "subdir": "dags", "sparse_dirs": ["dags"]}
    return {"name": "xflow", "classpath": "airflow.providers.git.bundles.git.GitDagBundle", "kwargs": arguments}


def local_bundle(folder: Path) -> dict[str, Any]:
    classpath = "airflow.dag_processing.bundles.local.LocalDagBundle"
    return {"name": "dags-folder", "classpath": classpath, "kwargs": {"path": str(folder)}}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path / "repository")
    copy_dags(made.folder)
    (made.folder / "beside").mkdir()
    (made.folder / "beside" / "data.csv").write_text("no part of the bundle\n")
    made.git("init", "-q", "-b", "main")
    return made


@pytest.fixture
def use(airflow_environment: dict[str, str], tmp_path: Path) -> Use:
    """Use a bundle in a fresh process; see parse_bundle.py."""

    def run(bundle: dict[str, Any], *task: str, **variables: str) -> Any:
        target = tmp_path / "made.json"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "XFLOW"))}
        environment |= airflow_environment | variables
        environment |= {f"AIRFLOW_CONN_{name}": json.dumps(body) for name, body in CONNECTIONS.items()}
        environment["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"] = json.dumps([bundle])
        environment["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH"] = str(tmp_path / "bundles")
        command = [sys.executable, PROBE, target, bundle["name"], *task]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
        return json.loads(target.read_text())

    return run


def test_each_version_of_a_git_bundle_is_code_and_pipelines_of_one_commit(checkout: Checkout, use: Use) -> None:
    bundle = git_bundle(checkout.folder)
    old = checkout.commit()
    before = use(bundle)
    assert (before["version"], before["errors"]) == (old, {})
    assert before["horizon"]["tourism_monthly_train"] == 24

    checkout.change("pipelines/tourism_monthly.yaml", "horizon: 24", "horizon: 7")
    checkout.change("xflow_airflow.py", '"tags": ["xflow",', '"tags": ["xflow", "second",')
    (checkout.folder / "dags/pipelines/vacancies.yaml").unlink()
    new = checkout.commit()
    after = use(bundle)
    assert (after["version"], after["errors"]) == (new, {})
    assert after["horizon"]["tourism_monthly_train"] == 7
    assert "second" in after["tags"]["tourism_monthly_train"]
    assert "vacancies_collect" in before["tags"].keys() - after["tags"].keys()

    for commit, horizon in ((old, 24), (new, 7)):
        running = use(bundle, commit, *TRAIN_TASK)
        assert running["pipeline"]["model"]["horizon"] == horizon
        assert running["bundle"] == running["code"]["dag_bundle"] == f"xflow@{commit}"
        folder = Path(running["module"]).parent
        assert folder.parent.name == commit
        assert running["pipelines"] == str(folder / "pipelines")
    assert use(bundle, old, *COLLECT_TASK)["key"].startswith("vacancies/collect/")


def test_a_run_that_is_bound_to_no_version_is_of_the_newest(checkout: Checkout, use: Use) -> None:
    commit = checkout.commit()
    running = use(git_bundle(checkout.folder), "", *TRAIN_TASK)
    assert running["bundle"] == f"xflow@{commit}"
    assert not (Path(running["module"]).parents[1] / "beside").exists()


def test_dag_files_for_another_library_are_an_import_error_that_says_what_to_do(checkout: Checkout, use: Use) -> None:
    installed = version("xflow")
    checkout.change("xflow_airflow.py", f'LIBRARY = "{installed.rpartition(".")[0]}"', 'LIBRARY = "9.9"')
    checkout.commit()
    found = use(git_bundle(checkout.folder))
    assert sorted(found["errors"]) == sorted(path.name for path in DAG_FILES)
    for message in found["errors"].values():
        assert f"written for xFlow 9.9, and {installed} is installed. Build the image from the version" in message


def test_a_wrong_pipeline_of_a_git_bundle_is_an_import_error(checkout: Checkout, use: Use) -> None:
    checkout.change("pipelines/tourism_monthly.yaml", "horizon: 24", "horizon: none")
    checkout.commit()
    found = use(git_bundle(checkout.folder))
    assert list(found["errors"]) == ["check_pipelines.py"]
    assert "model.horizon" in found["errors"]["check_pipelines.py"]
    assert "tourism_monthly_train" not in found["horizon"]
    assert "vacancies_train" in found["horizon"]


def test_a_folder_needs_no_rights_to_write_and_has_no_version(use: Use, tmp_path: Path) -> None:
    """Where a file stands in the place of __pycache__, not even root can write there."""
    dags = copy_dags(tmp_path)
    (dags / "__pycache__").write_text("")
    dags.chmod(0o555)
    (dags / "pipelines").chmod(0o555)
    before = sorted(dags.rglob("*"))
    found = use(local_bundle(dags))
    assert (found["version"], found["errors"]) == (None, {})
    assert "tourism_monthly_train" in found["horizon"]
    running = use(local_bundle(dags), "", *TRAIN_TASK)
    assert running["bundle"] == running["code"]["dag_bundle"] == "dags-folder"
    assert running["pipelines"] == str(dags / "pipelines")
    assert sorted(dags.rglob("*")) == before


def test_a_folder_of_pipelines_can_be_named(use: Use, tmp_path: Path) -> None:
    named = tmp_path / "named"
    named.mkdir()
    pipeline = yaml.safe_load((REPOSITORY / "dags/pipelines/tourism_monthly.yaml").read_text())
    pipeline["model"]["horizon"] = 7
    (named / "tourism_monthly.yaml").write_text(yaml.safe_dump(pipeline))
    bundle = local_bundle(copy_dags(tmp_path))
    found = use(bundle, XFLOW_PIPELINES=str(named))
    assert {name: value for name, value in found["horizon"].items() if value} == {
        "tourism_monthly_predict": 7,
        "tourism_monthly_train": 7,
    }
    running = use(bundle, "", *TRAIN_TASK, XFLOW_PIPELINES=str(named))
    assert (running["pipelines"], running["pipeline"]["model"]["horizon"]) == (str(named), 7)
