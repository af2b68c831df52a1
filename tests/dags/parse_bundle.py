"""Use a DAG bundle as Airflow's processes do, in a process of its own, and write what came of it to a file as JSON.

``parse_bundle.py TARGET BUNDLE`` parses the newest version, as the DAG processor does. With a task, as
``parse_bundle.py TARGET BUNDLE VERSION FILE DAG TASK``, it prepares that task as a worker does; an empty VERSION is
a DAG run that is bound to none.
"""

import json
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag

NOW = datetime(2026, 11, 21, tzinfo=UTC)
RUN_ID = "manual__2026-11-21"


def as_processor(name: str) -> dict[str, Any]:
    bundle = DagBundlesManager().get_bundle(name)
    bundle.initialize()
    bag = BundleDagBag(bundle.path, bundle_path=bundle.path, bundle_name=name)
    version = bundle.get_current_version()
    return {
        "version": version and version.version,
        "errors": bag.import_errors,
        "horizon": {dag_id: dag.params.dump().get("horizon") for dag_id, dag in bag.dags.items()},
        "tags": {dag_id: sorted(dag.tags) for dag_id, dag in bag.dags.items()},
    }


def as_worker(name: str, version: str, file: str, dag_id: str, task_id: str) -> dict[str, Any]:
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import StartupDetails
    from airflow.sdk.execution_time.context import set_current_context

    dag_run = {"dag_id": dag_id, "run_id": RUN_ID, "run_after": NOW, "start_date": NOW, "end_date": None}
    dag_run |= {"run_type": "manual", "state": "running", "consumed_asset_events": [], "partition_key": None}
    dag_run |= dict.fromkeys(("logical_date", "data_interval_start", "data_interval_end"))
    task = {"task_id": task_id, "dag_id": dag_id, "run_id": RUN_ID, "try_number": 1}
    what = StartupDetails.model_validate(
        {
            "ti": task | {"id": uuid.uuid4(), "dag_version_id": uuid.uuid4()},
            "dag_rel_path": file,
            "bundle_info": {"name": name, "version": version or None},
            "start_date": NOW,
            "ti_context": {"dag_run": dag_run, "max_tries": 3},
            "sentry_integration": "",
        }
    )
    running = task_runner.parse(what, task_runner.log)
    with set_current_context(running.get_template_context()):
        shared = sys.modules["xflow_airflow"]
        made = shared.runner()
    return {
        "module": shared.__file__,
        "pipelines": str(made.pipelines),
        "pipeline": made.pipeline.model_dump(mode="json"),
        "bundle": made.bundle,
        "code": made.code,
        "key": str(made.key),
    }


made = (as_worker if sys.argv[3:] else as_processor)(*sys.argv[2:])
Path(sys.argv[1]).write_text(json.dumps(made))
