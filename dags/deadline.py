"""See at the time of `predictions_by` whether there are predictions.

Airflow's own deadline belongs to a run of predict: it tells when that run is late. This DAG tells of a day on which
no run has started: its run fails then, with an alert.
"""

from datetime import UTC, datetime, time

from airflow.sdk import CronTriggerTimetable, dag, get_current_context, task

from xflow.errors import DeadlineMissed
from xflow.pipeline import AnyPipeline
from xflow_airflow import dag_arguments, log, pipelines
from xflow_deadline import look
from xflow_lineage import declare


@task
def check_predictions(name: str, by: str) -> None:
    """Fail when no run has started since the deadline before, and no predictions were made by hand."""
    from xflow.domain.deadline import last_deadline

    run = get_current_context()["dag_run"]
    deadline = last_deadline(time.fromisoformat(by), run.logical_date or datetime.now(UTC))
    due = look(name, deadline)
    if due.made:
        log.info("%d complete sets of predictions since %s, the last: %s", len(due.made), due.since, due.made[-1])
    elif due.started:
        log.warning("no predictions yet: run %s has a deadline of its own, which tells", due.started[-1])
    else:
        raise DeadlineMissed(
            f"{name}: no predictions by {deadline:%Y-%m-%d %H:%M} UTC, and no run has started in the day before. "
            f"Was input delivered, and is {name}_predict switched on? Trigger it by hand, or correct predictions_by."
        )


def build(pipeline: AnyPipeline, by: str) -> None:
    """Make the DAG that looks after one pipeline's predictions."""
    at = time.fromisoformat(by)
    clock = CronTriggerTimetable(f"{at.minute} {at.hour} * * *", timezone="UTC")

    @dag(**dag_arguments(pipeline, "deadline", __doc__), schedule=clock)
    def deadline() -> None:
        check_predictions(pipeline.name, by)

    declare(deadline(), pipeline)


for each in pipelines():
    if each.predictions_by is not None:
        build(each, each.predictions_by)
