"""The command line: the same steps as the DAG tasks, without Airflow."""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from xflow import pipeline as pipelines
from xflow.cli_audit import explain, verify
from xflow.cli_base import Name, RunId, Steps, reported, run_of
from xflow.cli_deploy import deploy
from xflow.cli_keys import keys
from xflow.cli_monitor import monitor
from xflow.cli_predict import backfill, predict
from xflow.cli_promotion import promote, rollback
from xflow.cli_reproduce import reproduce
from xflow.cli_train import train
from xflow.runner import Runner
from xflow.settings import pipelines_folder

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
LOG_WIDTH = 110  # where there is no terminal

app.command()(backfill)
app.command()(deploy)
app.command()(explain)
app.command()(monitor)
app.command()(predict)
app.command()(promote)
app.command()(reproduce)
app.command()(rollback)
app.command()(train)
app.command()(verify)
app.add_typer(keys, name="keys")


@app.command()
def collect(
    name: Annotated[str, typer.Argument(help="Name of a pipeline of vacancies.")] = "vacancies",
    fetch: Annotated[bool, typer.Option(help="Ask hh.ru; without, take in what lies on S3 already.")] = True,
    run_id: RunId = None,
) -> None:
    """Collect vacancies from hh.ru, keep their history, and deliver them to train and predict."""
    from xflow.collect_runner import CollectRunner

    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0).isoformat()
    with reported(), Steps(CollectRunner(*run_of(name, "collect", run_id))) as steps:
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
    if delivery and delivery["salary_modes"]:
        modes = ", ".join(f"{mode} {count}" for mode, count in delivery["salary_modes"].items())
        typer.echo(f"salaries that are not by the month give no label: {modes}")
    if delivery is None:
        typer.echo("nothing to deliver: there is no snapshot; xflow sample writes some")
    if market:
        typer.echo(f"market seen on {market['days']} days of {market['wanted']} wanted; {market['series']} series")


@app.command()
def sample(name: Name) -> None:
    """Write a pipeline's sample input to S3."""
    from xflow.sample import write_sample

    with reported():
        runner = Runner(*run_of(name, "train", "sample"))
        for written in write_sample(runner.pipeline, runner.store):
            typer.echo(written)


@app.command(name="list")
def list_pipelines() -> None:
    """Check every pipeline file and list the pipelines."""
    with reported():
        for found in pipelines.load_all(pipelines_folder()):
            typer.echo(f"{found.name}: {found.description}")
            for warning in found.warnings:
                typer.echo(f"  warning: {warning}", err=True)


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


@app.command()
def serve() -> None:
    """Run the prediction service and the board until told to end."""
    from xflow.serving.server import main

    with reported():
        main()


if __name__ == "__main__":
    app()
