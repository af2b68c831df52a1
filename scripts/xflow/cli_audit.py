"""The command line of audits."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from xflow.audit_runner import AuditRunner
from xflow.cli_base import Steps, reported
from xflow.cli_explain import show_explanation
from xflow.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xflow.domain.audit import Audit, Check, Link

COLOURS = {"ok": "green", "fault": "red", "purged": "yellow", "not checked": "yellow"}

Run = Annotated[
    str, typer.Argument(help="A run: tourism_monthly/predict/latest, a run key pipeline/kind/id, or a run's id.")
]
Prediction = Annotated[str, typer.Argument(help="Id of a prediction, as 0123456789ab-17.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


def verify(
    run: Run,
    pipeline: Annotated[str, typer.Option(help="Pipeline of the run, where ids of runs repeat.")] = "",
    kind: Annotated[str, typer.Option(help="train, predict or collect, where ids of runs repeat.")] = "",
    prediction: Annotated[str, typer.Option(help="Prediction to follow to its origin; default: the first.")] = "",
    as_json: AsJson = False,
) -> None:
    """Count and hash again all that a run left in S3, Greenplum, Tarantool and MLflow; exit code 1 on a fault."""
    with reported(), Steps(AuditRunner.of_run(Settings.from_env(), run, pipeline, kind)) as steps:
        found: Audit = steps.call("verify", steps.runner.verify, prediction)
    if as_json:
        typer.echo(json.dumps(found.as_json(), default=str, ensure_ascii=False, indent=1))
    else:
        _show(found)
    if found.faults:
        raise typer.Exit(1)


def explain(prediction: Prediction, as_json: AsJson = False) -> None:
    """Say what a prediction came from and what it is made of; exit code 1 when it cannot be made again."""
    with reported(), Steps(AuditRunner.of_prediction(Settings.from_env(), prediction)) as steps:
        found = steps.call("explain", steps.runner.explain, prediction)
    if as_json:
        typer.echo(json.dumps(found.as_json(), default=str, ensure_ascii=False, indent=1))
    else:
        _chain(found.links)
        _checks(check for check in found.checks if check.state != "ok")
        show_explanation(found)
    if not (found.agrees and found.why.sums_hold):
        raise typer.Exit(1)


def _show(found: "Audit") -> None:
    _checks(found.checks)
    if found.chain:
        typer.echo(f"\nprediction {found.prediction_id} and what it stands on")
        _chain(found.chain)
    if found.faults:
        typer.echo(f"\n{len(found.faults)} of {len(found.checks)} checks found a fault in run {found.run_key}")
    else:
        typer.echo(f"\n{len(found.checks)} checks, no fault in run {found.run_key}")


def _checks(checks: "Iterable[Check]") -> None:
    table = Table("", "where", "what", "found", box=None, pad_edge=False)
    for check in checks:
        state = str(check.state)
        table.add_row(f"[{COLOURS[state]}]{state}[/]", check.place, check.what, escape(check.detail))
    if table.rows:
        Console(highlight=False).print(table)


def _chain(links: "Iterable[Link]") -> None:
    for link in links:
        facts = ", ".join(f"{name} {value}" for name, value in link.facts.items())
        Console(highlight=False, soft_wrap=True).print(
            f"[bold]{link.what}[/] {escape(link.where)}\n    {escape(facts)}"
        )
