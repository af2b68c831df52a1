"""What the modules of the command line share: options, the display of steps, and how errors are shown."""

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

from xflow import pipeline as pipelines
from xflow.errors import XflowError
from xflow.pipeline import MOST_STEPS, AnyPipeline
from xflow.refs import RunKey
from xflow.runner import Json, Runner
from xflow.settings import Settings, pipelines_folder

console = Console(stderr=True)

Name = Annotated[str, typer.Argument(help="Name of a pipeline, as tourism_monthly or vacancies.")]
InputUri = Annotated[str | None, typer.Option(help="s3:// URI of a parquet object, or of a prefix ending in /.")]
AsOf = Annotated[str | None, typer.Option(help="Newest timestamp that may be used; default: the newest of the input.")]
Horizon = Annotated[
    int | None, typer.Option(min=1, max=MOST_STEPS, help="Steps to forecast, of series; default: the pipeline's.")
]
Trials = Annotated[
    int | None, typer.Option(min=1, max=1_000, help="Tuning trials a candidate; default: the pipeline's.")
]
Force = Annotated[bool, typer.Option("--force", help="Compute again what an unchanged training would take over.")]
RunId = Annotated[str | None, typer.Option(help="Id of the run; repeating one replaces what it wrote.")]


def run_of(name: str, kind: Any, run_id: str | None) -> tuple[Settings, AnyPipeline, RunKey]:
    """Return what a runner of a pipeline's run is made of; a run without an id gets one by the clock."""
    config = pipelines.load(pipelines_folder() / f"{name}.yaml")
    key = RunKey(pipeline=name, kind=kind, run_id=run_id or f"cli-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    return Settings.from_env(), config, key


class Steps[R: Runner]:
    """Runs a run's steps under one progress display; `resumes`: a run that was stopped goes on by its id."""

    def __init__(self, runner: R, *, resumes: bool = True) -> None:
        self.runner, self._resumes = runner, resumes
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )

    def __enter__(self) -> Self:
        console.print(f"run [bold]{self.runner.key}[/]", highlight=False, soft_wrap=True)
        if console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._progress.stop()
        if kind is KeyboardInterrupt and self._resumes:
            console.print(f"stopped; go on with --run-id {self.runner.key.run_id}", highlight=False)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the display away for the length of the block, to ask something."""
        self._progress.stop()
        yield
        if console.is_terminal:
            self._progress.start()

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
def reported() -> Iterator[None]:
    """Turn the errors that xFlow raises on purpose into one line and exit code 1."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s: %(message)s")
    try:
        yield
    except XflowError as error:
        console.print(f"[red]{type(error).__name__}[/]: {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error


def print_rows(checked: Json) -> None:
    """Print how many rows an input has, and which objects were read."""
    rules = ", ".join(f"{rule} {count}" for rule, count in checked["rejected_by_rule"].items())
    rejected = f"{checked['rows_rejected']} rejected" + (f" ({rules})" if rules else "")
    typer.echo(
        f"{checked['rows_in']} rows in, {checked['rows_accepted']} accepted, {rejected}; as of {checked['as_of']}"
    )
    if checked["accepted_without"]:
        noted = ", ".join(f"{rule} {count}" for rule, count in checked["accepted_without"].items())
        typer.echo(f"accepted, but no label is made of it: {noted}")
    objects = [each["uri"] for each in checked["objects"]]
    typer.echo(f"read {objects[0]}" + (f" and {len(objects) - 1} more" if objects[1:] else ""))
