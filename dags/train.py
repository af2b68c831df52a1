"""Tune, train, register and judge a model.

The input is checked against the contract and kept in the mart; its series are written as features.
Every candidate is tuned and scored by a rolling-origin backtest on those. The selected model must
beat the floor, is fitted without the holdout, and becomes the champion when it is better on the
holdout. A new champion triggers the prediction DAG.
"""

from datetime import timedelta

from airflow.sdk import AssetAlias, Param, XComArg, dag, get_current_context, task, task_group

from xflow.pipeline import Pipeline
from xflow_airflow import (
    GPU,
    Json,
    champion_asset,
    dag_arguments,
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
    """Check every row and series of the training input; reject or fail as the pipeline's contract says."""
    return log_checked(runner().check_contract(param("input_uri"), param("as_of")))


@task
def plan(features: Json) -> Json:
    """Freeze the holdout and lay out the folds of the backtest."""
    made = runner().plan(features, param("horizon"), param("trials"))
    log.info("%(folds)d folds of %(horizon)d steps, %(series_scored)d series scored", made)
    return made


@task(
    **GPU,
    execution_timeout=timedelta(hours=4),
    map_index_template="{{ task.op_kwargs['candidate'] }}",
    doc_md="Tune one candidate and score it by the backtest.",  # a mapped task does not take its docstring
)
def tune(plan: Json, candidate: str) -> Json:
    """Tune one candidate and score it by the backtest."""
    score = runner().tune(plan, candidate)
    log.info("%(name)s: %(score).4f in the backtest with %(params)s", score)
    return score


@task
def select(plan: Json, scores: list[Json]) -> Json:
    """Choose the model's members; fail when none beats the floor."""
    selection = runner().select(plan, list(scores))
    log.info("backtest %(metric)s %(score).4f; all candidates: %(scores)s", selection)
    return selection


@task(**GPU, execution_timeout=timedelta(hours=4))
def fit(plan: Json, selection: Json) -> Json:
    """Fit the selected model; log it to MLflow with its figures and plots."""
    fitted = runner().fit(plan, selection)
    log.info("%(model_uri)s: %(metrics)s", fitted)
    return fitted


@task
def register(plan: Json, fitted: Json) -> Json:
    """Register the model as a new version."""
    version = runner().register(plan, fitted)
    log.info("registered %(name)s version %(version)s", version)
    return version


@task
def judge_and_promote(plan: Json, version: Json) -> Json:
    """Judge the version beside the champion on one holdout; promote it only when it is better."""
    run = runner()
    decision = run.promote(plan, version)
    log.info("%(name)s version %(version)s: promoted: %(promoted)s, %(reason)s", decision)
    if decision["promoted"]:
        events = get_current_context()["outlet_events"][promoted(run.pipeline)]
        events.add(champion_asset(run.pipeline), {"version": decision["version"]})
    return decision


def promoted(pipeline: Pipeline) -> AssetAlias:
    """Return the alias through which a promotion, and nothing else, becomes an event of the champion."""
    return AssetAlias(f"{pipeline.name}_promoted", group="xflow")


@task_group(group_id="train", tooltip="Tune the candidates, select and fit the model")
def train_tasks(pipeline: Pipeline, features: XComArg) -> tuple[XComArg, XComArg]:
    """Wire the tasks of the training; return the plan and the fitted model."""
    planned = plan(features)
    scores = tune.partial(plan=planned).expand(candidate=[each.name for each in pipeline.model.candidates])
    return planned, fit(planned, select(planned, scores))


@task_group(group_id="promote", tooltip="Register the model, judge it, promote it when better")
def promote_tasks(pipeline: Pipeline, planned: XComArg, fitted: XComArg, loaded: XComArg) -> None:
    """Wire the tasks of the promotion: a model is registered only when its input is in the mart."""
    version = register(planned, fitted)
    loaded >> version
    judge_and_promote.override(outlets=[promoted(pipeline)])(planned, version)


def build(pipeline: Pipeline) -> None:
    """Make the DAG that trains one pipeline's model."""
    trials = Param(
        pipeline.model.trials,
        type="integer",
        minimum=1,
        maximum=1000,
        title="Trials",
        description_md="Tuning trials for each candidate.",
    )

    @dag(
        **dag_arguments(pipeline, "train", __doc__),
        schedule=pipeline.schedule,
        params={**params(pipeline, "train"), "trials": trials},
    )
    def train() -> None:
        _, loaded, features = input_tasks(check_contract)
        planned, fitted = train_tasks(pipeline, features)
        promote_tasks(pipeline, planned, fitted, loaded)

    train()


for each in pipelines():
    build(each)
