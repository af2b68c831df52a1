"""Predict with the champions.

Runs when input was delivered to S3, when a champion was promoted, or by hand. The predictions go to
S3 as parquet, with the manifest written last, and to the output mart, each row linked to the input
row it stands on.

Without `input_uri`, a delivery is predicted by itself, and a new champion predicts the latest
delivery; a run by hand takes the input of the pipeline's file.
"""

from typing import TYPE_CHECKING

from airflow.sdk import XComArg, dag, get_current_context, task, task_group
from airflow.sdk.exceptions import AirflowSkipException
from xflow_deliveries import latest, take

from xflow.pipeline import AnyPipeline
from xflow.predict_runner import PredictRunner
from xflow_airflow import (
    Json,
    champion_asset,
    dag_arguments,
    delivery_asset,
    input_tasks,
    log,
    log_checked,
    param,
    params,
    pipelines,
    runner,
)

if TYPE_CHECKING:
    from xflow.runner import Runner


@task
def check_contract() -> Json:
    """Check every row of the input; reject or fail as the pipeline's contract says."""
    run = runner()
    by_asset = get_current_context()["triggering_asset_events"]
    location = param("input_uri") or (delivered(run) if by_asset else None)
    return log_checked(run.check_contract(location, param("as_of")))


def delivered(run: "Runner") -> str | None:
    """Return the delivery to predict: one that waits, else, for a new champion, the latest.

    Raises
    ------
    AirflowSkipException
        There is no champion yet, or nothing waits.
    """
    context, pipeline = get_current_context(), run.pipeline
    state = context["asset_state_store"][delivery_asset(pipeline)]
    taken = take(state, context["run_id"])
    if not any(run.registry.champion(pipeline.model_name(target)) for target in pipeline.targets):
        raise AirflowSkipException(f"{pipeline.name} has no champion yet: its first promotion starts a run.")
    if taken is None and champion_asset(pipeline) not in context["triggering_asset_events"]:
        raise AirflowSkipException("every delivery has been taken by a run before this one")
    return taken or latest(state)


@task
def make_predictions(features: Json, checked: Json) -> Json:
    """Let the champions predict; write parquet, and the manifest last."""
    made = runner(PredictRunner).predict(features, checked, param("horizon"))
    models = ", ".join(f"{model['name']} version {model['version']}" for model in made["models"])
    log.info("%d predictions for %d by %s: %s", made["rows"], made["entities"], models, made["prefix"])
    return made


@task
def load_predictions(predictions: Json) -> Json:
    """Copy the predictions into the output mart and close the run in the ledger."""
    loads = runner(PredictRunner).load_predictions(predictions)
    log.info("rows by table: %s", loads)
    return loads


@task_group(group_id="predict", tooltip="Predict with the champions, keep the predictions in the mart")
def predict_tasks(checked: XComArg, loaded: XComArg, features: XComArg) -> None:
    """Wire the tasks of the prediction: the run is closed only when its input is in the mart."""
    predictions = make_predictions(features, checked)
    loaded >> load_predictions(predictions)


def build(pipeline: AnyPipeline) -> None:
    """Make the DAG that predicts with one pipeline's champions."""
    delivery = delivery_asset(pipeline)

    @dag(
        **dag_arguments(pipeline, "predict", __doc__),
        schedule=(champion_asset(pipeline) | delivery),
        params=params(pipeline, "predict"),
    )
    def predict() -> None:
        predict_tasks(*input_tasks(check_contract.override(inlets=[delivery])))

    predict()


for each in pipelines():
    build(each)
