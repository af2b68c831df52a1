"""When predictions are made besides what starts them, and what is special to those of a past date.

Airflow can backfill a DAG that has a time schedule: `predict_schedule` of the pipeline's file. A run of a backfill
uses the data that were known at its date and the champion of that date.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, get_current_context
from airflow.sdk.definitions.asset import BaseAsset

from xflow.pipeline import AnyPipeline

LATE = timedelta(minutes=5)
"""How long after its time a first run still starts; Airflow's own rule is a tenth of the time between two."""


def predict_schedule(pipeline: AnyPipeline, news: BaseAsset) -> BaseAsset | AssetOrTimeSchedule:
    """Return when a pipeline predicts: at its news, and by its cron expression where it has one."""
    if pipeline.predict_schedule is None:
        return news
    clock = CronTriggerTimetable(pipeline.predict_schedule, timezone="UTC", run_immediately=LATE)
    return AssetOrTimeSchedule(timetable=clock, assets=news)


def past_date() -> str | None:
    """Return the date that the current run of a backfill is for, in UTC without a zone; None for any other run."""
    run = get_current_context()["dag_run"]
    if run.run_type != "backfill" or run.logical_date is None:
        return None
    date: datetime = run.logical_date
    return date.astimezone(UTC).replace(tzinfo=None).isoformat()


def by_the_clock() -> bool:
    """Tell whether the current run was started by the time schedule alone."""
    return bool(get_current_context()["dag_run"].run_type == "scheduled")
