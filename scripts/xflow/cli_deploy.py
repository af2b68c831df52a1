"""Let the prediction service answer with a version."""

from typing import Annotated

import typer

from xflow.cli_base import Name, RunId, Steps, reported, run_of
from xflow.deploy_runner import DeployRunner, said
from xflow.errors import XflowError
from xflow.serving_rest import ServingRest
from xflow.settings import Settings

Version = Annotated[str | None, typer.Option(help="As 7, or an alias, as @staging; default: the champion.")]
Target = Annotated[str | None, typer.Option(help="Which model, of a pipeline that has several; default: all of them.")]


def deploy(name: Name, version: Version = None, target: Target = None, run_id: RunId = None) -> None:
    """Let the prediction service load, test and answer with the champions, or with a named version."""
    with reported():
        _deploy(name, version, target, run_id)


def follow(name: str) -> None:
    """Let the prediction service, where there is one, answer with what was decided; the decision stands without it."""
    settings = Settings.from_env()
    if not settings.serving_url:
        return
    try:
        ServingRest(settings.serving_url, settings.serving_key).call("GET", "/health/live")
        _deploy(name, None, None, None)
    except XflowError as error:
        typer.echo(f"the service does not answer with it yet: {error} Try again: xflow deploy {name}", err=True)


def _deploy(name: str, version: str | None, target: str | None, run_id: str | None) -> None:
    with Steps(DeployRunner(*run_of(name, "deploy", run_id))) as steps:
        run = steps.runner
        orders = steps.call("choose versions", run.choose, version, target)
        done = [steps.call(f"deploy {order['name']}", run.deploy, order) for order in orders]
        steps.call("close the run", run.close, done)
    for each in done:
        typer.echo(said(each))
