"""Look at what became of the predictions, and ask for a retraining when they are no longer good.

#### Steps

1. **monitor** joins the predictions in the mart with the actual values that have arrived since, late and corrected ones
   as well: realised error and interval coverage, by window of time, step, version and segment. Without a champion or
   an actual value it says so and succeeds.
2. **request_training** starts the training when the rule of the pipeline's file (`monitor`) asks for it: enough bad
   windows, or drift together with a bad newest window. It does not ask again before a training has followed.

#### Where to look

Figures: `mart.realised`. Picture: `figures/realised.png` of the run `monitor ...` in MLflow.
"""

from typing import TYPE_CHECKING

from airflow.sdk import AssetAlias, dag, get_current_context, task

from xflow.pipeline import AnyPipeline
from xflow_airflow import Json, dag_arguments, log, param, pipelines, retrain_asset, runner
from xflow_form import as_of_param
from xflow_lineage import declare

if TYPE_CHECKING:
    from xflow.monitor_runner import MonitorRunner


def monitoring() -> "MonitorRunner":
    """Return the runner of the current task's monitor run. Heavy: only inside a task."""
    from xflow.monitor_runner import MonitorRunner

    return runner(MonitorRunner)


@task
def monitor() -> Json:
    """Write realised figures, draw them, and decide whether to ask for a retraining."""
    found = monitoring().monitor(param("as_of"))
    log.info("%(rows)d figures in mart.realised; %(message)s", found)
    return found


@task
def request_training(found: Json) -> None:
    """Let a training follow when one is asked for."""
    if found["asks"]:
        run = monitoring()
        events = get_current_context()["outlet_events"][requested(run.pipeline)]
        events.add(retrain_asset(run.pipeline), {"reason": found["message"]})
    log.info("a retraining is asked for: %s" if found["asks"] else "no retraining is asked for: %s", found["message"])


def requested(pipeline: AnyPipeline) -> AssetAlias:
    """Return the alias through which a request, and nothing else, becomes an event of the retraining."""
    return AssetAlias(f"{pipeline.name}_retrain_requested", group="xflow")


def build(pipeline: AnyPipeline) -> None:
    """Make the DAG that monitors one pipeline's predictions."""

    @dag(
        **dag_arguments(pipeline, "monitor", __doc__),
        schedule=pipeline.monitor.schedule,
        params={"as_of": as_of_param("Newest time of an actual value. Empty: the newest in the mart.")},
    )
    def monitored() -> None:
        request_training.override(outlets=[requested(pipeline)])(monitor())

    declare(monitored(), pipeline)


for each in pipelines():
    build(each)
