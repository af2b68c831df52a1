"""Parse the DAG files as Airflow does, in a process of its own, and write what came of it to a file as JSON."""

import json
import sys
import time
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import airflow.sdk  # noqa: F401  # its own import time is not that of a DAG file
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

from xflow.settings import REPOSITORY

HEAVY = (
    "numpy",
    "pandas",
    "pyarrow",
    "etna",
    "xgboost",
    "sklearn",
    "mlflow",
    "boto3",
    "psycopg2",
    "tarantool",
    "optuna",
    "apprise",
    "openlineage",
)


def asset(each: Any) -> dict[str, Any]:
    watchers = [watcher.trigger.serialize() for watcher in each.watchers]
    return {"name": each.name, "uri": each.uri, "watchers": watchers}


def task(each: Any) -> dict[str, Any]:
    return {
        "upstream": sorted(each.upstream_task_ids),
        "doc": each.doc_md,
        "pool": each.pool,
        "queue": each.queue,
        "retries": each.retries,
        "backoff": each.retry_exponential_backoff,
        "timeout": each.execution_timeout.total_seconds(),
        "policy": each.retry_policy.serialize(),
    }


def schedule(each: Any) -> Any:
    """Return a cron expression, a list of assets, or both."""
    if hasattr(each, "timetable"):
        return {"cron": each.timetable.expression, "assets": schedule(each.asset_condition)}
    assets = getattr(each, "objects", [each] if hasattr(each, "watchers") else None)
    return [asset(one) for one in assets] if assets else each


def dag(each: Any) -> dict[str, Any]:
    serialized = DagSerialization.to_dict(each)
    return {
        "schedule": schedule(each.schedule),
        "doc": each.doc_md,
        "tags": sorted(each.tags),
        "catchup": each.catchup,
        "max_active_runs": each.max_active_runs,
        "params": {name: each.params.get_param(name).schema for name in each.params},
        "defaults": each.params.dump(),
        "tasks": {one.task_id: task(one) for one in each.tasks},
        "serialized": serialized,
        "backfilled": backfilled(DagSerialization.from_dict(serialized)),
    }


def backfilled(scheduled: Any) -> list[str] | None:
    """Return the dates that a backfill of three months makes runs for; None when Airflow would refuse it."""
    if not scheduled.timetable.periodic:
        return None
    infos = scheduled.iter_dagrun_infos_between(datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 10, 31, tzinfo=UTC))
    return [info.logical_date.isoformat() for info in islice(infos, 5)]


before = time.process_time()
bag = DagBag(REPOSITORY / "dags", bundle_path=REPOSITORY / "dags", bundle_name="dags-folder")
spent = time.process_time() - before
made = {
    "errors": bag.import_errors,
    "files": sorted(stat.file.rpartition("/")[2] for stat in bag.dagbag_stats),
    "cpu_seconds": spent,
    "heavy": [name for name in HEAVY if name in sys.modules],
    "dags": {name: dag(each) for name, each in bag.dags.items()},
}
Path(sys.argv[1]).write_text(json.dumps(made, default=str))
