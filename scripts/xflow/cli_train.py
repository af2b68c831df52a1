"""The command line of trainings."""

from dataclasses import dataclass, field

import typer
from rich.console import Console
from rich.table import Table

from xflow.cli_base import (
    AsOf,
    Force,
    Horizon,
    InputUri,
    Name,
    RunId,
    Steps,
    Trials,
    console,
    print_rows,
    reported,
    run_of,
)
from xflow.cli_deploy import follow
from xflow.cli_promotion import Approve, approval
from xflow.errors import Permanent
from xflow.runner import Json
from xflow.train_runner import TrainRunner


@dataclass
class _Trained:
    """What came of the training of one target.

    Attributes
    ----------
    scores
        Backtest error by candidate, and that of the selected model once there is one.
    promotion
        What was decided; None when its training failed.
    failure
        Why it failed.
    """

    model: str
    scores: dict[str, float] = field(default_factory=dict)
    promotion: Json | None = None
    failure: Permanent | None = None


def train(
    name: Name,
    input_uri: InputUri = None,
    as_of: AsOf = None,
    horizon: Horizon = None,
    trials: Trials = None,
    run_id: RunId = None,
    force: Force = False,
    approve: Approve = None,
) -> None:
    """Tune, train, register and judge the models of one pipeline; exit code 1 when the training of one failed.

    Of a pipeline with several targets one that fails does not stop the others: what they ended in stands.
    """
    with reported():
        with Steps(TrainRunner(*run_of(name, "train", run_id))) as steps:
            run = steps.runner
            checked = steps.call("check contract", run.check_contract, input_uri, as_of)
            steps.call("load mart", run.load_mart, checked)
            features = steps.call("write features", run.write_features, checked, force)
            _say_reused("feature set", {features["id"]} - {str(run.key)})
            asked = (horizon, trials, force, approve)
            trained = [_train_target(steps, target, checked, features, *asked) for target in run.pipeline.targets]
            if any(each.promotion for each in trained):
                steps.call("close the run", run.close, [each.promotion for each in trained])
        print_rows(checked)
        for each in trained:
            _show(each, run.pipeline.model.metric)
        if any(each.promotion and each.promotion["promoted"] for each in trained):
            follow(run.pipeline.name)
        if any(each.failure for each in trained):
            raise typer.Exit(1)


def _train_target(
    steps: Steps[TrainRunner],
    target: str,
    checked: Json,
    features: Json,
    horizon: int | None,
    trials: int | None,
    force: bool,
    approve: bool | None,
) -> _Trained:
    """Train the model of one target."""
    run, of = steps.runner, f" {target}" if target else ""
    found = _Trained(run.pipeline.model_name(target))
    try:
        plan = steps.call(f"plan folds{of}", run.plan, features, horizon, trials, target)
        scores = [steps.call(f"tune {name}{of}", run.tune, plan, name, force) for name in run.candidates(target)]
        for score in scores:
            found.scores[score["name"]] = score["score"]
            _say_reused(f"score of {score['name']}{of}", {score["reused_from"]} - {""})
        selection = steps.call(f"select{of}", run.select, plan, scores)
        found.scores["selected model"] = selection["score"]
        fitted = steps.call(f"fit{of}", run.fit, plan, selection, checked)
        version = steps.call(f"register{of}", run.register, plan, fitted)
        verdict = steps.call(f"judge{of}", run.judge, plan, version)
        with steps.paused():
            answer = approval(run.pipeline, verdict, approve)
        found.promotion = steps.call(f"promote{of}", run.promote, verdict, answer)
    except Permanent as error:  # the other targets do not depend on it
        found.failure = error
    return found


def _show(trained: _Trained, metric: str) -> None:
    """Print the figures of one target, and what came of it."""
    if trained.scores:
        _print(f"{trained.model}: backtest", trained.scores, metric)
    promotion = trained.promotion
    if promotion is None:
        typer.echo(f"{trained.model} not trained: {type(trained.failure).__name__}: {trained.failure}", err=True)
        return
    holdout = {name: value for name, value in promotion["metrics"].items() if name.startswith("holdout_")}
    _print(f"{trained.model}: holdout", holdout, "figure")
    verdict = "promoted" if promotion["promoted"] else "not promoted"
    typer.echo(f"{promotion['name']} version {promotion['version']} {verdict}: {promotion['reason']}")


def _say_reused(what: str, sources: set[str]) -> None:
    for source in sources:
        console.print(f"{what}: unchanged, reused from run {source}", highlight=False, soft_wrap=True)


def _print(title: str, figures: dict[str, float], unit: str) -> None:
    table = Table("", unit, title=title, title_justify="left")
    for name, value in figures.items():
        table.add_row(name, f"{value:.4f}")
    Console().print(table)
