"""The deadline of predictions: `predictions_by` of a pipeline's file, a time of day in UTC.

Airflow gives every run of predict this deadline, and calls `late` when one has not succeeded by then. Of a day on which
no run starts at all Airflow knows no deadline: that day is told by the DAG in `deadline.py`.
"""

import logging
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import DeadlineAlert, SyncCallback

from xflow.errors import XflowError
from xflow.pipeline import AnyPipeline, load
from xflow.settings import pipelines_folder
from xflow_alerts import tell_of

if TYPE_CHECKING:
    from xflow.steps.predictions_due import Due

log = logging.getLogger("xflow")


def deadline_alert(pipeline: AnyPipeline) -> DeadlineAlert | None:
    """Return the deadline of a pipeline's predictions; None where its file names none."""
    if pipeline.predictions_by is None:
        return None
    from xflow_deadlines import TimeOfDay

    callback = SyncCallback(late, kwargs={"name": pipeline.name})
    return DeadlineAlert(TimeOfDay(pipeline.predictions_by), timedelta(), callback, name="predictions_by")


def late(name: str, context: dict[str, Any]) -> None:
    """Tell that a run has not succeeded by its deadline, unless another one has, or a newer one tells it."""
    pipeline = load(pipelines_folder(Path(__file__).parent) / f"{name}.yaml")
    run = context["dag_run"]
    deadline = context["deadline"]["deadline_time"]
    moment = datetime.fromisoformat(deadline) if isinstance(deadline, str) else deadline
    run_id, unknown = run["dag_run_id"], ""
    try:
        due = look(name, moment)
    except XflowError as error:  # nobody calls this again
        unknown = f". Whether another run made them is not known: {error}"
    else:
        if due.made or (run_id in due.started and run_id != due.started[-1]):
            log.info("no alert: %s", due)
            return
    reason = (
        f"no predictions on S3 by {moment:%Y-%m-%d %H:%M} UTC: run {run_id} has not succeeded, "
        f"its state is {run['state']}{unknown}"
    )
    tell_of(pipeline, "deadline", reason, run["dag_id"], run_id)


def look(name: str, deadline: datetime) -> "Due":
    """Return what there is of the predictions that were due. Heavy: only where something runs."""
    from xflow_connections import settings

    from xflow.adapters.s3 import S3Store
    from xflow.adapters.started_runs import StartedRuns
    from xflow.steps.predictions_due import predictions_due

    s = settings()
    store = S3Store(s.s3_endpoint, s.s3_bucket, s.s3_access_key, s.s3_secret_key)
    return predictions_due(name, deadline, store=store, runs=StartedRuns(s.greenplum_dsn))
