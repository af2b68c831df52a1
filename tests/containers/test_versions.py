"""DAGs from a git repository: a run names the version that it ran, and a commit brings a pipeline.

The stack has a `worker-gpu` meanwhile, without the device that this machine may lack: what is for the GPU runs there.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from test_restarts import HORIZON, PIPELINE, begin, series

from xflow.refs import RunKey
from xflow.settings import REPOSITORY

pytestmark = pytest.mark.e2e

CONTAINER_USER = 1000


class Repository:
    """A repository of DAGs that the containers see as /repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(REPOSITORY / "dags", folder / "dags", ignore=shutil.ignore_patterns("__pycache__"))
        self.git("init", "--quiet", "--initial-branch", "main")
        self.first = self.commit("the pipelines")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "safe.directory=*")
        command = ["git", "-C", str(self.folder), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, message: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        # git refuses a repository of somebody else's
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, CONTAINER_USER, 0, follow_symlinks=False)
        return self.git("rev-parse", "HEAD")


@pytest.fixture(scope="module")
def repository(containers, tmp_path_factory):
    """Run the stack on a repository's DAGs; afterwards on the mounted ones again, when the stack is to stay."""
    folder = tmp_path_factory.mktemp("git")
    folder.chmod(0o755)
    for parent in folder.parents[:3]:
        parent.chmod(0o755)
    made = Repository(folder / "repository")
    overlay = folder / "compose.yml"
    volume = {"volumes": [f"{made.folder}:/repository:ro"]}
    services = ("airflow-init", "api-server", "scheduler", "dag-processor", "triggerer", "worker")
    without_device = "  worker-gpu: {deploy: !reset null, " + f"volumes: {volume['volumes']}}}\n"
    overlay.write_text("services:\n" + "".join(f"  {name}: {volume}\n" for name in services) + without_device)
    usual = {name: containers.environment[name] for name in ("COMPOSE_FILE", "COMPOSE_PROFILES")}
    try:
        containers.change(
            COMPOSE_FILE=f"docker-compose.yml:docker/compose.git.yml:{overlay}",
            COMPOSE_PROFILES="gpu",
            XFLOW_DAGS_REPOSITORY="file:///repository",
        )
        yield made
    finally:
        if os.environ.get("XFLOW_TEST_WHOLE_HOME"):
            containers.change(**usual)


def test_a_run_names_the_version_of_the_bundle(stack_of, containers, repository, tmp_path):
    stack = stack_of(PIPELINE)
    uri = stack.upload(tmp_path, "tests/git.parquet", series(8))
    stack.await_version(repository.first)
    begin(stack, "train", "from-git", input_uri=uri, trials=1)
    assert stack.wait(f"{PIPELINE}_train", "from-git") == "success", stack.tasks("train", "from-git")
    (gpu,) = containers.running("worker-gpu")
    tuned = {each["hostname"] for each in stack.tasks("train", "from-git") if each["task_id"] == "train.tune"}
    assert tuned == {gpu["Config"]["Hostname"]}
    key = RunKey(pipeline=PIPELINE, kind="train", run_id="from-git")
    bundle = f"xflow@{repository.first}"
    assert stack.rows("select bundle from mart.run where run_key = %s", str(key)) == [(bundle,)]
    tags = [v.tags for v in stack.mlflow.search_model_versions(f"name = '{PIPELINE}'")]
    assert [each["dag_bundle"] for each in tags if each["run_key"] == str(key)] == [bundle]


def test_a_commit_brings_a_pipeline(stack_of, repository):
    stack = stack_of("tourism_copy")
    text = (repository.folder / "dags/pipelines/tourism_monthly.yaml").read_text()
    copy = repository.folder / "dags/pipelines/tourism_copy.yaml"
    copy.write_text(text.replace(PIPELINE, "tourism_copy").replace(f"horizon: {HORIZON * 2}", f"horizon: {HORIZON}"))
    second = repository.commit("a pipeline more")
    stack.await_dag("tourism_copy_train")
    stack.await_version(second)
