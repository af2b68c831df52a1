"""What the DAG files share: defaults, the trigger form, assets, and the first task group.

Wiring only. Each task calls one method of `xflow.runner.Runner`, as the command line does. The pipeline files are
those beside this file, so that a DAG bundle's version is code and configuration of one commit.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import (
    Asset,
    AssetAlias,
    AssetAny,
    AssetOrTimeSchedule,
    AssetWatcher,
    CronTriggerTimetable,
    XComArg,
    get_current_context,
    task,
    task_group,
)
from xflow_deliveries import DeliveryTrigger

from xflow.errors import ConfigInvalid
from xflow.pipeline import AnyPipeline, load
from xflow.pipeline_base import COLLECTED
from xflow.refs import RunKey
from xflow.settings import pipelines_folder
from xflow_alerts import failure_callback, success_callback
from xflow_retries import RETRIES

if TYPE_CHECKING:
    from xflow.runner import Runner

log = logging.getLogger("xflow")
logging.getLogger("pymorphy3").setLevel(logging.WARNING)  # names its dictionaries in every task that reads texts

Json = dict[str, Any]
Kind = Literal["train", "predict", "collect", "monitor", "rollback", "deadline", "deploy"]
GPU = {"pool": "gpu", "queue": "gpu"}
PIPELINES = pipelines_folder(Path(__file__).parent)
LIBRARY = "0.1"
"""Version of the library that these files are written for; from a Git bundle they come without it."""

TASK_DEFAULTS = {
    "owner": "xflow",
    "show_return_value_in_logs": False,  # a task logs what matters; the whole is in its XCom
    "execution_timeout": timedelta(minutes=30),
    **RETRIES,
}


def pipelines() -> list[AnyPipeline]:
    """Return every valid pipeline; `check_pipelines.py` reports the others.

    Raises
    ------
    ConfigInvalid
        These files are written for another version of the library than the installed one.
    """
    if version("xflow").split(".")[:2] != LIBRARY.split("."):
        raise ConfigInvalid(
            f"{Path(__file__).parent}: these DAG files are written for xFlow {LIBRARY}, and {version('xflow')} is "
            "installed. Build the image from the version of the DAG bundle, or point the bundle at the image's."
        )
    found = []
    for path in sorted(PIPELINES.glob("*.yaml")):
        with suppress(ConfigInvalid):
            found.append(load(path))
    return found


def dag_arguments(pipeline: AnyPipeline, kind: Kind, doc: str) -> dict[str, Any]:
    """Return the arguments that all DAGs of a pipeline share; `doc` is Markdown, its first line the summary."""
    summary, _, more = doc.partition("\n")
    return {
        "dag_id": f"{pipeline.name}_{kind}",
        "description": f"{summary} {pipeline.description}",
        # Airflow leaves no space between two paragraphs: what should stand apart has a heading.
        "doc_md": f"### {summary}\n\n`{pipeline.name}`: {pipeline.description}\n\n{more}",
        "default_args": {**TASK_DEFAULTS, "on_failure_callback": failure_callback(pipeline)},
        "on_success_callback": success_callback(pipeline),
        "tags": ["xflow", kind, *pipeline.tags],
        "catchup": False,
        "max_active_runs": 1,
    }


def train_schedule(pipeline: AnyPipeline) -> Asset | AssetAny | AssetOrTimeSchedule:
    """Return when a pipeline trains: by its cron expression or after every collection, and when it is asked to."""
    asked = retrain_asset(pipeline)
    if pipeline.schedule is None:
        return asked
    if pipeline.schedule == COLLECTED:
        return AssetAny(collected_asset(pipeline.name), asked)
    return AssetOrTimeSchedule(timetable=clock(pipeline.schedule), assets=asked)


def clock(cron: str) -> CronTriggerTimetable:
    """Return a schedule whose first run is the next one: Airflow would make up for a time that has just passed."""
    return CronTriggerTimetable(cron, timezone="UTC", run_immediately=timedelta(seconds=1))


def champion_asset(pipeline: AnyPipeline) -> Asset:
    """Return the asset that has an event whenever a champion was promoted."""
    return _asset(pipeline.name, "champion", "Another version serves: predictions and its deployment follow.")


def promoted(pipeline: AnyPipeline) -> AssetAlias:
    """Return the alias through which another version's coming into service becomes an event of the champion."""
    return AssetAlias(f"{pipeline.name}_promoted", group="xflow")


def retrain_asset(pipeline: AnyPipeline) -> Asset:
    """Return the asset that has an event whenever realised figures, or drift, ask for a training."""
    return _asset(pipeline.name, "retrain", "The monitor asks for a training: it follows.")


def collected_asset(name: str) -> Asset:
    """Return the asset that has an event whenever a pipeline's vacancies were collected and delivered."""
    return _asset(name, "collected", "Input to train on was collected: a training follows.")


def delivery_asset(pipeline: AnyPipeline) -> Asset:
    """Return the asset that has an event whenever input to predict from was delivered to S3."""
    watcher = AssetWatcher(name=f"{pipeline.name}_deliveries", trigger=DeliveryTrigger(pipeline.input.predict))
    return _asset(pipeline.name, "delivery", "Input lies on S3 to predict from: a prediction follows.", watcher)


def _asset(pipeline: str, what: str, about: str, *watchers: AssetWatcher) -> Asset:
    """Return an asset that says on Airflow's page what an event of it means."""
    return Asset(
        name=f"{pipeline}_{what}",
        uri=f"xflow://{pipeline}/{what}",
        group="xflow",
        extra={"event": about},
        watchers=list(watchers),
    )


def runner[R: "Runner"](made: type[R] | None = None) -> R:
    """Return the runner of the current task's DAG run, of a class of its own where one is given.

    Heavy: only inside a task.
    """
    from xflow_connections import settings

    from xflow.runner import Runner

    context = get_current_context()
    name, _, kind = context["dag"].dag_id.rpartition("_")
    key = RunKey(pipeline=name, kind=kind, run_id=context["run_id"])
    pipeline = load(PIPELINES / f"{name}.yaml")
    return (made or Runner)(settings(), pipeline, key, bundle=bundle(), pipelines=PIPELINES)


def bundle() -> str:
    """Return the DAG bundle that the current task runs from: ``name@version``, the name alone for one without."""
    running = get_current_context()["ti"].bundle_instance
    found = running.get_current_version()
    current = getattr(found, "version", found)  # some bundles return the bare text
    return f"{running.name}@{current}" if current else str(running.name)


def started_at() -> str:
    """Return when the DAG run began, in UTC without a zone: the same for a task that is tried again."""
    return get_current_context()["dag_run"].start_date.astimezone(UTC).replace(tzinfo=None).isoformat()


def param(name: str) -> Any:
    """Return what the trigger form holds for the current DAG run; None for a field that it lacks."""
    return get_current_context()["params"].get(name)


@task
def load_mart(checked: Json) -> Json:
    """Copy accepted and rejected rows into the mart, in one transaction."""
    loads = runner().load_mart(checked)
    log.info("rows by table: %s", loads)
    return loads


@task
def write_features(checked: Json) -> Json:
    """Write what can be learned from to Tarantool as a feature set; an unchanged training takes its last one over."""
    features = runner().write_features(checked, bool(param("force")))
    log.info("feature set %(id)s: %(entities)d series or vacancies, %(rows)d values or rows", features)
    return features


@task_group(group_id="input", tooltip="Check the input, keep it in the mart, write features")
def input_tasks(check_contract: Callable[[], XComArg]) -> tuple[XComArg, XComArg, XComArg]:
    """Wire the tasks of the input; return the checked input, its load into the mart and the feature set."""
    checked = check_contract()
    return checked, load_mart(checked), write_features(checked)


def log_checked(checked: Json) -> Json:
    """Log what the contract let through; return it."""
    log.info(
        "%(rows_in)d rows in = %(rows_accepted)d accepted + %(rows_rejected)d rejected %(rejected_by_rule)s, "
        "accepted without a label %(accepted_without)s, "
        "%(entities)d series or vacancies, as of %(as_of)s",
        checked,
    )
    return checked
