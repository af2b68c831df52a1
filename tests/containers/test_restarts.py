"""Containers that restart, die or come anew while runs are under way: nothing lost, nothing doubled."""

import os
import signal
import time
import uuid

import numpy as np
import pyarrow as pa
import pytest

from xflow.refs import RunKey

pytestmark = pytest.mark.e2e

PIPELINE = "tourism_monthly"
SERIES, MONTHS, HORIZON = 20, 96, 12
RUN = uuid.uuid4().hex[:8]
KILLED = f"killed-{RUN}"


def series(seed: int) -> pa.Table:
    """Return seasonal series whose every row is accepted."""
    rng = np.random.default_rng(seed)
    start = np.datetime64("2016-01", "M")
    months = (start + np.arange(MONTHS)).astype("datetime64[us]")
    season = 1 + 0.3 * np.sin(2 * np.pi * np.arange(MONTHS) / 12)
    values = np.concatenate([100 * (i + 1) * season * rng.normal(1, 0.03, MONTHS) for i in range(SERIES)])
    ids = np.repeat([f"series-{i:02d}" for i in range(SERIES)], MONTHS)
    return pa.table({"series_id": ids, "timestamp": np.tile(months, SERIES), "value": values})


@pytest.fixture(scope="module")
def stack(stack_of):
    return stack_of(PIPELINE)


@pytest.fixture(scope="module")
def input_uri(stack, tmp_path_factory):
    return stack.upload(tmp_path_factory.mktemp("input"), "tests/restarts.parquet", series(7))


@pytest.fixture(scope="module")
def champion(stack, input_uri):
    """See that there is a champion to predict with."""
    assert stack.run("train", f"before-{RUN}", input_uri=input_uri, horizon=HORIZON, trials=1) == "success"


def begin(stack, kind: str, run_id: str, **conf: object) -> str:
    """Start a run without waiting for it."""
    stack.rest.call("PATCH", f"/dags/{PIPELINE}_{kind}", {"is_paused": False})
    body = {"dag_run_id": run_id, "logical_date": None, "conf": {"horizon": HORIZON, **conf}}
    stack.rest.call("POST", f"/dags/{PIPELINE}_{kind}/dagRuns", body)
    return run_id


def state(stack, kind: str, run_id: str) -> str:
    return stack.rest.call("GET", f"/dags/{PIPELINE}_{kind}/dagRuns/{run_id}")["state"]


def exact(stack, kind: str, run_id: str) -> None:
    """Assert that every store has what one undisturbed run leaves, once."""
    key = RunKey(pipeline=PIPELINE, kind=kind, run_id=run_id)
    (ledger,) = stack.rows(
        "select state, rows_in, rows_accepted, rows_rejected from mart.run where run_key = %s", str(key)
    )
    assert ledger == ("success", SERIES * MONTHS, SERIES * MONTHS, 0)
    assert stack.counts("tourism_monthly_input")[str(key)] == SERIES * MONTHS
    sets = [row for row in stack.feature_sets() if key.slug in str(row) or run_id in str(row)]
    assert [row for row in sets if "writing" in row] == []
    if kind == "train":
        tagged = [
            v for v in stack.mlflow.search_model_versions(f"name = '{PIPELINE}'") if v.tags["run_key"] == str(key)
        ]
        assert len(tagged) == 1
    else:
        assert stack.counts("tourism_monthly_prediction")[str(key)] == SERIES * HORIZON
        linked = stack.rows("select count(*) from mart.tourism_monthly_lineage where run_key = %s", str(key))
        assert linked == [(SERIES * HORIZON,)]
        parts = [name for name in stack.objects(f"predictions/{PIPELINE}/{key.slug}/") if "part" in name]
        assert len(parts) == 1


def test_every_container_restarts_while_runs_are_under_way(stack, containers, champion, input_uri):
    runs: list[tuple[str, str]] = []
    services = containers.services
    assert len(services) >= 11
    for service in services:
        if not runs or state(stack, *runs[-1]) in {"success", "failed"}:
            kind = "predict" if len(runs) % 2 else "train"
            trials = {"trials": 2, "force": True} if kind == "train" else {}
            runs.append((kind, begin(stack, kind, f"restarts-{len(runs)}-{RUN}", input_uri=input_uri, **trials)))
            time.sleep(3)  # let a task start
        containers.docker("restart", *(each["Id"] for each in containers.running(service)))
        containers.await_healthy(service)
    for kind, run_id in runs:
        assert stack.wait(f"{PIPELINE}_{kind}", run_id) == "success", stack.tasks(kind, run_id)
        exact(stack, kind, run_id)


def test_a_worker_that_is_killed_loses_nothing(stack, containers, champion, input_uri):
    """As by the kernel when memory is short: no warning, and the engine starts it again."""
    begin(stack, "train", KILLED, input_uri=input_uri, trials=3, force=True)
    deadline = time.monotonic() + 300
    while not (tuning := [t for t in stack.tasks("train", KILLED) if t["task_id"] == "train.tune" and running(t)]):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    (worker,) = [each for each in containers.running("worker") if each["Config"]["Hostname"] == tuning[0]["hostname"]]
    os.kill(worker["State"]["Pid"], signal.SIGKILL)
    assert stack.wait(f"{PIPELINE}_train", KILLED) == "success", stack.tasks("train", KILLED)
    exact(stack, "train", KILLED)
    assert max(task["try_number"] for task in stack.tasks("train", KILLED)) > 1
    containers.await_healthy("worker")
    (again,) = [each for each in containers.running("worker") if each["Id"] == worker["Id"]]
    assert again["RestartCount"] > worker["RestartCount"]


def running(task: dict) -> bool:
    return task["state"] == "running"


def test_mapped_tasks_spread_over_three_workers(stack, containers, champion, input_uri):
    assert len(containers.running("worker")) == 3
    for number in range(5):
        run_id = begin(stack, "train", f"spread-{number}-{RUN}", input_uri=input_uri, trials=2, force=True)
        assert stack.wait(f"{PIPELINE}_train", run_id) == "success"
        exact(stack, "train", run_id)
        hosts = {task["hostname"] for task in stack.tasks("train", run_id) if task["task_id"] == "train.tune"}
        if len(hosts) == 3:
            return
    pytest.fail(f"tuned on {hosts} alone")


def test_data_is_back_after_down_and_up_by_hand_with_the_images_code(stack, containers, champion):
    """As README says it without start.sh, and without the clone's code over that of the images."""

    def picture() -> tuple:
        tables = ("run", "tourism_monthly_input", "tourism_monthly_prediction")
        marts = {table: stack.counts(table) for table in tables}
        return marts, stack.feature_sets(), stack.objects("predictions/"), stack.versions()

    before = picture()
    ids = {each["Id"] for each in containers.all()}
    stopped = containers.start_sh("stop")
    assert (stopped.returncode, containers.all()) == (0, []), stopped.stderr
    containers.compose_up()
    containers.await_healthy()
    assert not ids & {each["Id"] for each in containers.all()}
    assert picture() == before
    (worker, *_) = containers.running("worker")
    assert {each["Type"] for each in worker["Mounts"]} == {"volume"}, "nothing of the clone is mounted"
    assert state(stack, "train", f"before-{RUN}") == "success"


def test_a_second_up_leaves_every_service_alone(containers):
    """The first one may replace what was built by hand: Compose writes the service it built an image for into it."""
    assert containers.start_sh("up").returncode == 0
    ids = {each["Id"]: each["State"]["StartedAt"] for each in containers.running()}
    done = containers.start_sh("up")
    assert done.returncode == 0, done.stderr
    assert {each["Id"]: each["State"]["StartedAt"] for each in containers.running()} == ids
