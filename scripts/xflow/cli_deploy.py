"""Let the prediction service answer with a version."""

from typing import Annotated

import typer

from xflow.cli_base import Name, RunId, Steps, reported, run_of
from xflow.deploy_runner import DeployRunner, said

Version = Annotated[str | None, typer.Option(help="As 7, or an alias, as @staging; default: the champion.")]
Target = Annotated[str | None, typer.Option(help="Which model, of a pipeline that has several; default: all of them.")]


def deploy(name: Name, version: Version = None, target: Target = None, run_id: RunId = None) -> None:
    """Let the prediction service load, test and answer with the champions, or with a named version."""
    with reported(), Steps(DeployRunner(*run_of(name, "deploy", run_id))) as steps:
        run = steps.runner
        orders = steps.call("choose versions", run.choose, version, target)
        done = [steps.call(f"deploy {order['name']}", run.deploy, order) for order in orders]
        steps.call("close the run", run.close, done)
    for each in done:
        typer.echo(said(each))
