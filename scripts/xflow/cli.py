"""The command line: the same steps as the DAG tasks, without Airflow."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Self

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from xflow import pipeline as pipelines
from xflow.errors import XflowError
from xflow.pipeline import AnyPipeline
from xflow.refs import RunKey
from xflow.runner import Json, Runner
from xflow.settings import Settings, pipelines_folder
from xflow.vacancy_pipeline import VacancyPipeline

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console(stderr=True)
LOG_WIDTH = 110  # where there is no terminal

Name = Annotated[str, typer.Argument(help="Name of a pipeline, as tourism_monthly or vacancies.")]
InputUri = Annotated[str | None, typer.Option(help="s3:// URI of a parquet object, or of a prefix ending in /.")]
AsOf = Annotated[str | None, typer.Option(help="Newest timestamp that may be used; default: the newest of the input.")]
Horizon = Annotated[int | None, typer.Option(min=1, help="Steps to forecast, of series; default: the pipeline's.")]
Trials = Annotated[int | None, typer.Option(min=1, help="Tuning trials a candidate; default: the pipeline's.")]
RunId = Annotated[str | None, typer.Option(help="Id of the run; repeating one replaces what it wrote.")]


@app.command()
def train(
    name: Name,
    input_uri: InputUri = None,
    as_of: AsOf = None,
    horizon: Horizon = None,
    trials: Trials = None,
    run_id: RunId = None,
) -> None:
    """Tune, train, register and judge the models of one pipeline."""
    with _reported(), _Steps(_runner(name, "train", run_id)) as steps:
        run = steps.runner
        checked = steps.call("check contract", run.check_contract, input_uri, as_of)
        steps.call("load mart", run.load_mart, checked)
        features = steps.call("write features", run.write_features, checked)
        trained = [_train_target(steps, target, features, horizon, trials) for target in run.pipeline.targets]
        steps.call("close the run", run.close, [promotion for _, promotion in trained])
    _print_rows(checked)
    for selection, promotion in trained:
        name = promotion["name"]
        scores = {**selection["scores"], "selected model": selection["score"]}
        _print(f"{name}: backtest", scores, selection["metric"])
        holdout = {name: value for name, value in promotion["metrics"].items() if name.startswith("holdout_")}
        _print(f"{name}: holdout", holdout, "figure")
        verdict = "promoted" if promotion["promoted"] else "not promoted"
        typer.echo(f"{name} version {promotion['version']} {verdict}: {promotion['reason']}")


@app.command()
def predict(
    name: Name,
    input_uri: InputUri = None,
    as_of: AsOf = None,
    horizon: Horizon = None,
    run_id: RunId = None,
) -> None:
    """Predict with the champions and write parquet to S3."""
    with _reported(), _Steps(_runner(name, "predict", run_id)) as steps:
        run = steps.runner
        checked = steps.call("check contract", run.check_contract, input_uri, as_of)
        steps.call("load mart", run.load_mart, checked)
        features = steps.call("write features", run.write_features, checked)
        predictions = steps.call("predict", run.predict, features, checked, horizon)
        steps.call("load predictions", run.load_predictions, predictions)
    _print_rows(checked)
    champions = ", ".join(f"{model['name']} version {model['version']}" for model in predictions["models"])
    about = "vacancies" if isinstance(run.pipeline, VacancyPipeline) else "series"
    typer.echo(
        f"{predictions['rows']} predictions of {predictions['entities']} {about} by {champions}: "
        f"{predictions['prefix']}"
    )


@app.command()
def collect(
    name: Annotated[str, typer.Argument(help="Name of a pipeline of vacancies.")] = "vacancies",
    fetch: Annotated[bool, typer.Option(help="Ask hh.ru; without, take in what lies on S3 already.")] = True,
    run_id: RunId = None,
) -> None:
    """Collect vacancies from hh.ru, keep their history, and deliver them to train and predict."""
    from xflow.collect_runner import CollectRunner

    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0).isoformat()
    with _reported(), _Steps(CollectRunner(*_run(name, "collect", run_id))) as steps:
        run = steps.runner
        taken_at = steps.call("start", run.start, now)
        snapshot = steps.call("collect", run.collect, taken_at) if fetch else None
        update = steps.call("update history", run.update_history)
        delivery = steps.call("deliver", run.deliver, update)
        market = steps.call("deliver market", run.market, update)
        steps.call("finish", run.finish, snapshot, delivery)
    if snapshot:
        typer.echo(f"{snapshot['vacancies']} vacancies listed, complete: {snapshot['complete']}: {snapshot['prefix']}")
    typer.echo(f"{len(update['ingested'])} snapshots merged into the history")
    for place in ("train", "predict") if delivery else ():
        if delivery[place]:
            typer.echo(f"{delivery[place]['rows']} vacancies to {place}: {delivery[place]['uri']}")
    if delivery is None:
        typer.echo("nothing to deliver: there is no snapshot; xflow sample writes some")
    if market:
        typer.echo(f"market seen on {market['days']} days of {market['wanted']} wanted; {market['series']} series")


@app.command()
def sample(name: Name) -> None:
    """Write a pipeline's sample input to S3."""
    from xflow.sample import write_sample

    with _reported():
        runner = _runner(name, "train", "sample")
        for written in write_sample(runner.pipeline, runner.store):
            typer.echo(written)


@app.command(name="list")
def list_pipelines() -> None:
    """Check every pipeline file and list the pipelines."""
    with _reported():
        for found in pipelines.load_all(pipelines_folder()):
            typer.echo(f"{found.name}: {found.description}")


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False) -> None:
    """Show machine, GPU, versions, and how every service answers; exit code 1 when something is wrong."""
    from xflow import doctor as checks

    found = checks.examine()
    if as_json:
        typer.echo(checks.as_json(found))
    else:
        checks.show(found, Console(highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH))
    if not found["ok"]:
        raise typer.Exit(1)


def _train_target(
    steps: "_Steps[Runner]", target: str, features: Json, horizon: int | None, trials: int | None
) -> tuple[Json, Json]:
    """Train the model of one target; return what was selected and what was decided."""
    run, of = steps.runner, f" {target}" if target else ""
    plan = steps.call(f"plan folds{of}", run.plan, features, horizon, trials, target)
    scores = [steps.call(f"tune {name}{of}", run.tune, plan, name) for name in run.candidates(target)]
    selection = steps.call(f"select{of}", run.select, plan, scores)
    fitted = steps.call(f"fit{of}", run.fit, plan, selection)
    version = steps.call(f"register{of}", run.register, plan, fitted)
    return selection, steps.call(f"judge and promote{of}", run.promote, plan, version)


def _runner(name: str, kind: Any, run_id: str | None) -> Runner:
    return Runner(*_run(name, kind, run_id))


def _run(name: str, kind: Any, run_id: str | None) -> tuple[Settings, AnyPipeline, RunKey]:
    config = pipelines.load(pipelines_folder() / f"{name}.yaml")
    key = RunKey(pipeline=name, kind=kind, run_id=run_id or f"cli-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    return Settings.from_env(), config, key


class _Steps[R: Runner]:
    """Runs a run's steps under one progress display."""

    def __init__(self, runner: R) -> None:
        self.runner = runner
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )

    def __enter__(self) -> Self:
        console.print(f"run [bold]{self.runner.key}[/]", highlight=False)
        if console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._progress.stop()
        if kind is KeyboardInterrupt:
            console.print(f"stopped; go on with --run-id {self.runner.key.run_id}", highlight=False)

    def call(self, title: str, step: Callable[..., Any], *args: Any) -> Any:
        """Run one step and show its progress; one line a step where nothing can be redrawn."""
        bar = self._progress.add_task(title, total=1)
        self.runner.progress = lambda done, total: self._progress.update(bar, completed=done, total=total)
        result = step(*args)
        task = next(task for task in self._progress.tasks if task.id == bar)
        self._progress.update(bar, completed=task.total)
        if not console.is_terminal:
            console.print(f"{title}: {task.elapsed or 0:.1f} s", highlight=False)
        return result


@contextmanager
def _reported() -> Iterator[None]:
    """Turn the errors that xFlow raises on purpose into one line and exit code 1."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s: %(message)s")
    try:
        yield
    except XflowError as error:
        console.print(f"[red]{type(error).__name__}[/]: {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error


def _print_rows(checked: Json) -> None:
    rules = ", ".join(f"{rule} {count}" for rule, count in checked["rejected_by_rule"].items())
    rejected = f"{checked['rows_rejected']} rejected" + (f" ({rules})" if rules else "")
    typer.echo(
        f"{checked['rows_in']} rows in, {checked['rows_accepted']} accepted, {rejected}; as of {checked['as_of']}"
    )
    objects = [each["uri"] for each in checked["objects"]]
    typer.echo(f"read {objects[0]}" + (f" and {len(objects) - 1} more" if objects[1:] else ""))


def _print(title: str, figures: dict[str, float], unit: str) -> None:
    table = Table("", unit, title=title, title_justify="left")
    for name, value in figures.items():
        table.add_row(name, f"{value:.4f}")
    Console().print(table)


if __name__ == "__main__":
    app()
