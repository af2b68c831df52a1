"""Let Airflow's scheduler notice that a run of predict is late, and run the callback as an executor does.

The metadata is a database in a file. Arguments: the DAG's id, then the ids of the runs to make, a type before each.
Prints a line of JSON: the deadline of every run that has one, and the schedules of the DAGs that look for late runs.
"""

import json
import sys
from datetime import UTC, datetime
from typing import Any

import httpx
from airflow import settings
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.executors.workloads import ExecuteCallback
from airflow.models import import_all_models
from airflow.models.base import Base
from airflow.models.dag import DagModel
from airflow.models.dagbag import DBDagBag
from airflow.models.deadline import Deadline
from airflow.sdk.api.client import Client
from airflow.sdk.execution_time.callback_supervisor import supervise_callback
from airflow.utils.db import synchronize_log_template
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType
from sqlalchemy import select

from xflow.settings import REPOSITORY

DUE = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)


def answer(_: httpx.Request) -> httpx.Response:
    return httpx.Response(404, json={"detail": {"reason": "not_found", "message": "nothing here"}})


def make_runs(dag_id: str, runs: list[tuple[str, str]]) -> None:
    """Create the runs as the scheduler does."""
    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(REPOSITORY / "dags", bundle_path=REPOSITORY / "dags", bundle_name="dags-folder")
    sync_bag_to_db(bag, "dags-folder", None)
    with create_session() as session:
        dag = DBDagBag().get_latest_version_of_dag(dag_id, session=session)
        for run_type, run_id in runs:
            dag.create_dagrun(
                run_id=run_id,
                run_after=DUE,
                run_type=run_type,
                triggered_by=DagRunTriggeredByType.TEST,
                state=DagRunState.RUNNING,
                session=session,
            )


def miss(run_id: str) -> ExecuteCallback:
    """Do what the scheduler does when a deadline has passed; return what it hands the executor."""
    with create_session() as session:
        missed = next(each for each in session.scalars(select(Deadline)) if each.dagrun.run_id == run_id)
        missed.handle_miss(session)
        return ExecuteCallback.make(missed.callback, missed.dagrun)


def run(workload: ExecuteCallback) -> None:
    """Run a callback as an executor does."""
    data: dict[str, Any] = json.loads(json.dumps(workload.callback.data, default=str))
    supervise_callback(
        id=workload.callback.id,
        callback_path=data["path"],
        callback_kwargs=data["kwargs"],
        dag_rel_path=workload.dag_rel_path,
        bundle_info=workload.bundle_info,
        token="",
        client=Client(base_url=None, dry_run=True, token="", transport=httpx.MockTransport(answer)),
    )


if __name__ == "__main__":
    name, runs = sys.argv[1], list(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
    import_all_models()
    Base.metadata.create_all(settings.engine)
    synchronize_log_template()
    make_runs(name, runs)
    with create_session() as session:
        deadlines = {each.dagrun.run_id: str(each.deadline_time) for each in session.scalars(select(Deadline))}
        found = session.scalars(select(DagModel).where(DagModel.dag_id.endswith("_deadline")))
        schedules = {each.dag_id: each.timetable_summary for each in found}
    print(json.dumps({"deadlines": deadlines, "schedules": schedules}))
    run(miss(runs[-1][1]))
