"""Predict with the champions.

#### What starts it

Input that was delivered to S3, another champion, `predict_schedule` of the pipeline's file, or a person: *Trigger*.
Without `input_uri`, a delivery is predicted by itself, and a new champion predicts the latest delivery; a run by
hand or by schedule takes the input of the pipeline's file.

#### Steps

1. **input** checks every row against the contract, keeps it in the mart, and writes features to predict from.
2. **check_drift** holds the input against what the champions learned from: the run fails when it has drifted beyond
   `drift` of the pipeline's file, and nothing is predicted.
3. **make_predictions** writes the predictions to S3 as parquet, with the manifest last.
4. **load_predictions** copies them into the mart, each row linked to the input row it stands on.

#### Backfill

A run of it takes what was known at its date, and lets the champion of that date predict: it fails where there was
none. Give it at most four active runs: five feature sets are kept.

#### Where to look

Predictions: `mart.<pipeline>_prediction`. Drift report: the run `predict ...` of the pipeline's experiment in MLflow.
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
    pipelines,
    runner,
)
from xflow_alerts import tell
from xflow_backfill import by_the_clock, past_date, predict_schedule
from xflow_deadline import deadline_alert
from xflow_form import params
from xflow_lineage import declare

if TYPE_CHECKING:
    from xflow.runner import Runner


@task
def check_contract() -> Json:
    """Check every row of the input; reject or fail as the pipeline's contract says."""
    run = runner(PredictRunner)
    by_asset = get_current_context()["triggering_asset_events"]
    location = param("input_uri") or (delivered(run) if by_asset else None)
    if by_the_clock():
        skip_without_champion(run)
    return log_checked(run.check_contract(location, param("as_of"), past_date()))


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
    skip_without_champion(run)
    if taken is None and champion_asset(pipeline) not in context["triggering_asset_events"]:
        raise AirflowSkipException("every delivery has been taken by a run before this one")
    return taken or latest(state)


def skip_without_champion(run: "Runner") -> None:
    """Skip the run when nothing can predict yet.

    Raises
    ------
    AirflowSkipException
        There is no champion yet.
    """
    pipeline = run.pipeline
    if not any(run.registry.champion(pipeline.model_name(target)) for target in pipeline.targets):
        raise AirflowSkipException(f"{pipeline.name} has no champion yet: its first promotion starts a run.")


@task
def check_drift(features: Json, checked: Json) -> Json:
    """Hold the predictions back when the input has drifted from what the champions learned from."""
    run = runner(PredictRunner)
    found = run.check_drift(features, checked, past_date())
    log.info("drift: %s %s", found["verdict"] or "not checked", ", ".join(found["reports"]))
    if found["verdict"] == "warn":
        reason, reports = f"the input has drifted {found['reason']}", ", ".join(found["reports"])
        log.warning(reason)
        tell(run.pipeline, "drift", reason, {"mlflow_run": found["mlflow_run_id"], "report": reports})
    return found


@task
def make_predictions(features: Json, checked: Json, drift: Json) -> Json:
    """Let the champions that were checked predict; write parquet, and the manifest last."""
    made = runner(PredictRunner).predict(features, checked, param("horizon"), past_date(), drift)
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
    predictions = make_predictions(features, checked, check_drift(features, checked))
    loaded >> load_predictions(predictions)


def build(pipeline: AnyPipeline) -> None:
    """Make the DAG that predicts with one pipeline's champions."""
    delivery = delivery_asset(pipeline)

    @dag(
        **dag_arguments(pipeline, "predict", __doc__),
        schedule=predict_schedule(pipeline, champion_asset(pipeline) | delivery),
        params=params(pipeline, "predict"),
        deadline=deadline_alert(pipeline),
    )
    def predict() -> None:
        predict_tasks(*input_tasks(check_contract.override(inlets=[delivery])))

    declare(predict(), pipeline)


for each in pipelines():
    build(each)
