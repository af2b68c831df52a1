"""Forecast with the champion.

Runs when input was delivered to S3, when a champion was promoted, or by hand. The forecasts go to
S3 as parquet, with the manifest written last, and to the output mart, each row linked to the input
row it starts from.

Without `input_uri`, a delivery is forecast by itself, and a new champion forecasts the latest
delivery; a run by hand takes the whole input of the pipeline's file.
"""

from airflow.sdk import AssetAlias, XComArg, dag, get_current_context, task, task_group
from airflow.sdk.exceptions import AirflowSkipException
from xflow_deliveries import LATEST

from xflow.pipeline import Pipeline
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


@task
def check_contract() -> Json:
    """Check every row and series of the input; reject or fail as the pipeline's contract says."""
    run = runner()
    location = param("input_uri")
    if not location and get_current_context()["triggering_asset_events"]:
        if run.registry.champion(run.pipeline.name) is None:
            raise AirflowSkipException(f"{run.pipeline.name} has no champion yet: its first promotion starts a run.")
        location = delivered(run.pipeline)
    return log_checked(run.check_contract(location, param("as_of")))


def delivered(pipeline: Pipeline) -> str | None:
    """Return the delivery that this run is for, or the latest; hand further ones to the next run.

    Airflow gathers the events that come while a run is active into one next run.
    """
    context, delivery = get_current_context(), delivery_asset(pipeline)
    events = context["triggering_asset_events"].get(delivery, [])
    first, *others = dict.fromkeys(event.extra.get("payload", event.extra)["uri"] for event in events) or [None]
    for uri in others:
        context["outlet_events"][waiting(pipeline)].add(delivery, {"uri": uri})
    return first or context["asset_state_store"][delivery].get(LATEST)


def waiting(pipeline: Pipeline) -> AssetAlias:
    """Return the alias through which deliveries wait for the next run."""
    return AssetAlias(f"{pipeline.name}_waiting", group="xflow")


@task
def forecast(features: Json, checked: Json) -> Json:
    """Let the champion forecast the horizon with intervals; write parquet, and the manifest last."""
    made = runner().forecast(features, checked, param("horizon"))
    log.info("%(rows)d forecasts of %(series)d series by version %(model_version)s: %(prefix)s", made)
    return made


@task
def load_predictions(predictions: Json) -> Json:
    """Copy the forecasts into the output mart and close the run in the ledger."""
    loads = runner().load_predictions(predictions)
    log.info("rows by table: %s", loads)
    return loads


@task_group(group_id="predict", tooltip="Forecast with the champion, keep the forecasts in the mart")
def predict_tasks(checked: XComArg, loaded: XComArg, features: XComArg) -> None:
    """Wire the tasks of the forecast: the run is closed only when its input is in the mart."""
    predictions = forecast(features, checked)
    loaded >> load_predictions(predictions)


def build(pipeline: Pipeline) -> None:
    """Make the DAG that forecasts with one pipeline's champion."""
    delivery = delivery_asset(pipeline)
    check = check_contract.override(inlets=[delivery], outlets=[waiting(pipeline)])

    @dag(
        **dag_arguments(pipeline, "predict", __doc__),
        schedule=(champion_asset(pipeline) | delivery),
        params=params(pipeline, "predict"),
    )
    def predict() -> None:
        predict_tasks(*input_tasks(check))

    predict()


for each in pipelines():
    build(each)
