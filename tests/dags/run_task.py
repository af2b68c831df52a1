"""Start a task as a Celery worker does; the API server says yes to everything. Arguments: celery worker."""

import sys
from uuid import uuid4

import airflow.settings  # noqa: F401  # imports airflow_local_settings
import httpx
from airflow.executors.workloads import BundleInfo
from airflow.providers.celery.executors.celery_executor import app
from airflow.sdk.api.client import Client
from airflow.sdk.api.datamodels._generated import TaskInstance
from airflow.sdk.execution_time.supervisor import supervise_task


def answer(request: httpx.Request) -> httpx.Response:
    if not request.url.path.endswith("/run"):
        return httpx.Response(200, json={"ok": True})
    at = "2026-01-01T00:00:00Z"
    times = dict.fromkeys(
        ["logical_date", "start_date", "end_date", "run_after", "data_interval_start", "data_interval_end"], at
    )
    dag_run = {"dag_id": "probe", "run_id": "r", "run_type": "manual", "state": "running", "partition_key": None}
    run = {**dag_run, **times, "consumed_asset_events": []}
    return httpx.Response(200, json={"dag_run": run, "max_tries": 0, "should_retry": False})


if __name__ == "__main__":
    import only_the_worker_imports_this  # noqa: F401

    # What a worker does before it forks the processes of its pool.
    app.loader.init_worker()
    task = TaskInstance(id=uuid4(), task_id="look", dag_id="probe", run_id="r", try_number=1, dag_version_id=uuid4())
    client = Client(base_url=None, dry_run=True, token="", transport=httpx.MockTransport(answer))
    bundle = BundleInfo(name="dags-folder", version=None)
    sys.exit(supervise_task(ti=task, bundle_info=bundle, dag_rel_path="probe.py", token="", client=client))
