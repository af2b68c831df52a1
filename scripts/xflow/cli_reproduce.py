"""The command line of reproduction."""

import re
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from xflow.cli_base import Steps, reported
from xflow.code_version import git_commit
from xflow.reproduce_runner import ReproduceRunner
from xflow.settings import Settings

if TYPE_CHECKING:
    from xflow.steps.reproduce import Reproduction

SHOWN = 20
HASH = re.compile(r"^[0-9a-f]{64}$")
Model = Annotated[str, typer.Argument(help="models:/tourism_monthly@champion, or models:/tourism_monthly/7.")]


def reproduce(model: Model) -> None:
    """Train a registered model again from its manifest and compare; exit code 1 when it differs or cannot be."""
    with reported():
        with Steps(ReproduceRunner.of(Settings.from_env(), model), resumes=False) as steps:
            run = steps.runner
            objects = steps.call("check inputs", run.check_inputs)
            found = steps.call("train again, compare", run.reproduce, objects)
        origin = run.manifest.origin
        typer.echo(f"{found.model} version {found.version}, trained by run {run.manifest.run}")
        typer.echo(f"{len(objects)} input objects hold what it learned from; as of {run.manifest.checked.as_of}")
        typer.echo(f"code: git commit {origin.git_commit} then, {git_commit()} now")
        show(found)
    if not found.equal:
        raise typer.Exit(1)


def show(found: "Reproduction") -> None:
    """Print what came of a repeated training."""
    from xflow.domain.reproduction import TOLERANCE

    for each in found.surroundings:
        typer.echo(f"not the same: {each.what}: {_short(each.then)} then, {_short(each.now)} now")
    table = Table("figure", "then", "now")
    for name, (then, now) in found.figures.items():
        table.add_row(name, f"{then!r}", f"{now!r}")
    Console().print(table)
    if found.exact:
        typer.echo("equal bit for bit: figures, selection, predictions, and what the registered model predicts")
        return
    worst = sorted(found.differences, key=lambda each: -each.size)
    for each in worst[:SHOWN]:
        typer.echo(f"{each.what}: {each.then} then, {each.now} now (relatively {each.size:.2g})")
    if worst[SHOWN:]:
        typer.echo(f"and {len(worst) - SHOWN} smaller differences")
    typer.echo(f"equal within {TOLERANCE:g}" if found.equal else f"differs in {len(worst)} places")


def _short(text: str) -> str:
    """Return the beginning of a hash; other text as it is."""
    return text[:12] if HASH.match(text) else text or "unknown"
