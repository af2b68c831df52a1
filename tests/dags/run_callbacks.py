"""Let Airflow end runs as it does, with an API server that answers from memory.

A task of a DAG fails in its own process, as a worker runs it; a task was killed, and a run succeeded, of which the DAG
processor tells.

Arguments: a DAG's file in the bundle, the DAG's id and the id of the task that fails.
"""

import sys
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import structlog
from airflow.callbacks.callback_requests import DagCallbackRequest, DagRunContext, TaskCallbackRequest
from airflow.dag_processing import processor
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.executors.workloads import BundleInfo
from airflow.sdk.api.client import Client
from airflow.sdk.api.datamodels._generated import DagRun, TaskInstance
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import GetTaskStates, TaskStatesResult
from airflow.sdk.execution_time.supervisor import supervise_task

from xflow.settings import REPOSITORY

BUNDLE = REPOSITORY / "dags"
AT = datetime(2026, 11, 21, tzinfo=UTC)
RUN_ID = "manual__2026-11-21"


def dag_run(dag_id: str, **conf: str) -> dict[str, Any]:
    times = dict.fromkeys(
        ["logical_date", "start_date", "end_date", "run_after", "data_interval_start", "data_interval_end"], AT
    )
    told = {"run_type": "manual", "state": "running", "partition_key": None, "consumed_asset_events": [], "conf": conf}
    return {"dag_id": dag_id, "run_id": RUN_ID, **told, **times}


class Server:
    """Answers as the API server does."""

    def __init__(self, dag_id: str, task_id: str, **conf: str) -> None:
        self.dag_id, self.task_id, self.conf, self.ended = dag_id, task_id, conf, ""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/run"):
            run = DagRun.model_validate(dag_run(self.dag_id, **self.conf)).model_dump(mode="json")
            return httpx.Response(200, json={"dag_run": run, "max_tries": 0, "should_retry": False})
        if path.endswith("/states"):
            return httpx.Response(200, json={"task_states": {RUN_ID: {self.task_id: "failed"}}})
        if path.endswith("/state"):
            self.ended = request.content.decode()
        if path.startswith("/connections") or "/connections/" in path:
            return httpx.Response(404, json={"detail": {"reason": "not_found", "message": "no such connection"}})
        return httpx.Response(200, json={"ok": True})


class Comms:
    """What the DAG processor's manager answers."""

    def send(self, msg: Any, **_: Any) -> Any:
        if isinstance(msg, GetTaskStates):
            return TaskStatesResult(task_states={RUN_ID: {"a": "success", "b": "success", "c": "skipped"}})
        return None


def work(file: str, dag_id: str, task_id: str, **conf: str) -> str:
    """Run the task as a worker does, with these parameters; return what it told the API server of its end."""
    server = Server(dag_id, task_id, **conf)
    task = instance(dag_id, task_id)
    client = Client(base_url=None, dry_run=True, token="", transport=httpx.MockTransport(server))
    bundle = BundleInfo(name="dags-folder", version=None)
    supervise_task(ti=task, bundle_info=bundle, dag_rel_path=file, token="", client=client)
    return server.ended


def instance(dag_id: str, task_id: str) -> TaskInstance:
    return TaskInstance(id=uuid4(), task_id=task_id, dag_id=dag_id, run_id=RUN_ID, try_number=1, dag_version_id=uuid4())


def process(file: str, dag_id: str, task_id: str) -> None:
    """Hand the DAG processor what the scheduler hands it."""
    task_runner.SUPERVISOR_COMMS = Comms()
    bag = BundleDagBag(BUNDLE / file, bundle_path=BUNDLE, bundle_name="dags-folder")
    shared = {"filepath": file, "bundle_name": "dags-folder", "bundle_version": None}
    last = instance(dag_id, task_id)
    context = DagRunContext(dag_run=DagRun.model_validate(dag_run(dag_id)), last_ti=last)
    requests = [
        TaskCallbackRequest(**shared, ti=last, msg="lost"),
        DagCallbackRequest(
            **shared, dag_id=dag_id, run_id=RUN_ID, is_failure_callback=False, context_from_server=context
        ),
    ]
    processor._execute_callbacks(bag, requests, structlog.get_logger())


if __name__ == "__main__":
    assert '"failed"' in work(*sys.argv[1:4])
    process(*sys.argv[1:4])
