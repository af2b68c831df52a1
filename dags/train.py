"""Tune, train, register and judge a model for each target.

#### What starts it

`schedule` of the pipeline's file, a request of the monitor, or a person: *Trigger*.

#### Steps

1. **input** checks every row against the contract, keeps it in the mart, and writes features to learn from.
2. **plan** freezes the holdout and lays out the folds before it: rolling origins of series, employers of vacancies.
3. **tune** tunes every candidate and scores it by the folds; **select** chooses the members, which must beat the floor.
4. **fit** fits the selected model without the holdout, **register** makes it a version in MLflow.
5. **judge** compares it with the champion on the holdout, and **promote** lets it serve when it is better. With
   `promotion: {approval: true}` in the pipeline's file a person is asked in between.
6. **close_run** writes into the ledger what came of it. A new champion starts the predictions.

A target that fails stops no other one: what that ended in stands and is deployed. The ledger says `partly`, and
**every_target** lets the run end as failed.

#### Where to look

Figures and pictures: the experiment of the pipeline's name in MLflow. Every decision with its reason: `mart.promotion`.
"""

from datetime import timedelta

from airflow.sdk import Param, XComArg, dag, get_current_context, task, task_group

from xflow.pipeline import AnyPipeline
from xflow.train_runner import TrainRunner
from xflow_airflow import (
    GPU,
    Json,
    champion_asset,
    dag_arguments,
    input_tasks,
    log,
    log_checked,
    param,
    pipelines,
    promoted,
    runner,
    train_schedule,
)
from xflow_alerts import tell
from xflow_form import params
from xflow_lineage import declare


@task
def check_contract() -> Json:
    """Check every row of the training input; reject or fail as the pipeline's contract says."""
    return log_checked(runner().check_contract(param("input_uri"), param("as_of")))


@task
def plan(features: Json, target: str) -> Json:
    """Freeze the holdout and lay out the folds before it."""
    made = runner(TrainRunner).plan(features, param("horizon"), param("trials"), target)
    log.info("%(folds)d folds that score %(scored)d; holdout %(holdout_hash)s", made)
    return made


@task(
    **GPU,
    execution_timeout=timedelta(hours=4),
    map_index_template="{{ task.op_kwargs['candidate'] }}",
    doc_md="Tune one candidate and score it by the folds.",  # a mapped task does not take its docstring
)
def tune(plan: Json, candidate: str) -> Json:
    """Tune one candidate and score it by the folds."""
    score = runner(TrainRunner).tune(plan, candidate, bool(param("force")))
    log.info("%(name)s: %(score).4f over the folds with %(params)s", score)
    if score["reused_from"]:
        log.info("reused from run %(reused_from)s, where it took %(seconds).1f s", score)
    return score


@task
def select(plan: Json, scores: list[Json]) -> Json:
    """Choose the model's members; fail when none beats the floor."""
    selection = runner(TrainRunner).select(plan, list(scores))
    log.info("backtest %(metric)s %(score).4f; all candidates: %(scores)s", selection)
    return selection


@task(**GPU, execution_timeout=timedelta(hours=4))
def fit(plan: Json, selection: Json, checked: Json) -> Json:
    """Fit the selected model; log it to MLflow with its figures and plots."""
    fitted = runner(TrainRunner).fit(plan, selection, checked)
    log.info("%(model_uri)s: %(metrics)s", fitted)
    return fitted


@task
def register(plan: Json, fitted: Json) -> Json:
    """Register the model as a new version."""
    version = runner(TrainRunner).register(plan, fitted)
    log.info("registered %(name)s version %(version)s", version)
    return version


@task
def judge(plan: Json, version: Json) -> Json:
    """Score the version and the champion on one holdout, and decide which of them should serve."""
    run = runner(TrainRunner)
    verdict = run.judge(plan, version)
    outcome = "wins" if verdict["outcome"] == "promoted" else verdict["outcome"]
    log.info("%s version %s: %s: %s", version["name"], version["version"], outcome, verdict["reason"])
    if verdict["champion_damage"]:
        log.warning("%s: %s", version["name"], verdict["champion_damage"])
        tell(run.pipeline, "failure", f"{version['name']}: {verdict['champion_damage']}")
    return verdict


@task
def promote(verdict: Json, approval: Json | None = None) -> Json:
    """Let the version serve when it won, and nobody who was asked said no; write the decision down."""
    decision = runner(TrainRunner).promote(verdict, approval)
    said = "serves" if decision["promoted"] else "does not serve"
    log.info("%s version %s %s: %s", decision["name"], decision["version"], said, decision["reason"])
    return decision


@task(trigger_rule="all_done_min_one_success")
def close_run(promotions: list[Json | None]) -> None:
    """Write into the ledger what the run ended in, let predictions follow a new champion, and tell of it.

    A target whose training failed does not hold back what another one ended in.
    """
    run = runner(TrainRunner)
    run.close(list(promotions))
    new = [each for each in promotions if each is not None and each["promoted"]]
    versions = {each["name"]: each["version"] for each in new}
    if versions:
        get_current_context()["outlet_events"][promoted(run.pipeline)].add(champion_asset(run.pipeline), versions)
        reason = "; ".join("{name} version {version} serves: {reason}".format_map(each) for each in new)
        tell(
            run.pipeline, "promotion", reason, {name: f"models:/{name}/{version}" for name, version in versions.items()}
        )


@task
def every_target() -> None:
    """Let the run end well only when no target failed: it is the last task, and needs them all."""
    log.info("every target was trained and judged")


@task_group(group_id="train", tooltip="Tune the candidates, select and fit the model")
def train_tasks(pipeline: AnyPipeline, target: str, checked: XComArg, features: XComArg) -> tuple[XComArg, XComArg]:
    """Wire the tasks of one target's training; return the plan and the fitted model."""
    planned = plan(features, target)
    scores = tune.partial(plan=planned).expand(candidate=[each.name for each in pipeline.candidates(target)])
    return planned, fit(planned, select(planned, scores), checked)


@task_group(group_id="promote", tooltip="Register the model, judge it, promote it when better")
def promote_tasks(pipeline: AnyPipeline, planned: XComArg, fitted: XComArg, loaded: XComArg) -> XComArg:
    """Wire the tasks of one target's promotion: a model is registered only when its input is in the mart."""
    version = register(planned, fitted)
    loaded >> version
    verdict = judge(planned, version)
    if not pipeline.promotion.approval:
        return promote(verdict)
    from xflow_approval import approve

    return promote.override(trigger_rule="none_failed")(verdict, approve(pipeline, verdict))


def build(pipeline: AnyPipeline) -> None:
    """Make the DAG that trains one pipeline's models."""
    trials = Param(
        pipeline.model.trials,
        type="integer",
        minimum=1,
        maximum=1000,
        title="Trials",
        description_md="Settings that are tried for each candidate: more take longer, and may find better ones.",
    )

    force = Param(
        False,
        type="boolean",
        title="Force",
        description_md="Compute features and scores again, also where input, configuration and code are unchanged. "
        "Off: an earlier run's are taken over.",
    )

    @dag(
        **dag_arguments(pipeline, "train", __doc__),
        schedule=train_schedule(pipeline),
        params={**params(pipeline, "train"), "trials": trials, "force": force},
    )
    def train() -> None:
        checked, loaded, features = input_tasks(check_contract)
        promotions = []
        for target in pipeline.targets:
            of = f"_{target}" if target else ""
            planned, fitted = train_tasks.override(group_id=f"train{of}")(pipeline, target, checked, features)
            promotions.append(promote_tasks.override(group_id=f"promote{of}")(pipeline, planned, fitted, loaded))
        closed = close_run.override(outlets=[promoted(pipeline)])(promotions)
        if len(promotions) > 1:
            [*promotions, closed] >> every_target()

    declare(train(), pipeline)


for each in pipelines():
    build(each)
