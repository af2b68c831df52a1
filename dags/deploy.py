"""Let the prediction service answer with the champions.

Runs when another champion came into service, or by hand with the `version` that the form names.

1. **choose_versions** says which version of each model is meant.
2. **deploy_version** has an instance for every model. The service downloads the version, loads it beside the one that
   answers, and tests it: it must give its golden rows the answers that it gave when it was fitted, and answer a single
   row in time (`serving` of the pipeline's file). Then the service swaps them between two requests. A version that
   fails is refused: the old one answers on, the task fails at once, and alerts are sent. What answers already is left
   as it is, so that a promotion of one model touches no other.
3. **write_ledger** writes into `mart.run` which versions answer, and how fast.
"""

from airflow.sdk import Param, dag, get_current_context, task

from xflow.deploy_runner import DeployRunner, said
from xflow.pipeline import AnyPipeline
from xflow_airflow import (
    Json,
    champion_asset,
    dag_arguments,
    log,
    param,
    pipelines,
    runner,
)
from xflow_form import chosen_target, target_field, version_field
from xflow_lineage import declare


@task
def choose_versions() -> list[Json]:
    """Choose the version of each model: the champion, or the one that the form names."""
    orders = runner(DeployRunner).choose(param("version"), chosen_target(param("target")))
    log.info("to deploy: %s", ", ".join(f"{each['name']} version {each['version']}" for each in orders))
    return orders


@task(
    map_index_template="{{ model_version }}",
    doc_md="Let the service load and test one version, and answer with it; fail when it is refused.",
)
def deploy_version(order: Json) -> Json:
    """Let the service load and test one version, and answer with it; fail when it is refused."""
    get_current_context()["model_version"] = f"{order['name']} {order['version']}"  # the instance's name in the grid
    done = runner(DeployRunner).deploy(order)
    log.info(said(done))
    return done


@task
def write_ledger(done: list[Json]) -> None:
    """Write into the ledger which versions answer now, and how fast."""
    runner(DeployRunner).close(list(done))


def form(pipeline: AnyPipeline) -> dict[str, Param]:
    """Return the fields of the trigger form."""
    return {"version": version_field("the champion.")} | target_field(pipeline)


def build(pipeline: AnyPipeline) -> None:
    """Make the DAG that brings one pipeline's champions into the service."""

    @dag(**dag_arguments(pipeline, "deploy", __doc__), schedule=champion_asset(pipeline), params=form(pipeline))
    def deploy() -> None:
        write_ledger(deploy_version.expand(order=choose_versions()))

    declare(deploy(), pipeline)


for each in pipelines():
    build(each)
