"""Commands by which a person decides what serves."""

import getpass
import os
import sys
from typing import Annotated

import typer

from xflow.alerts import tell
from xflow.cli_base import Name, RunId, Steps, reported, run_of
from xflow.cli_deploy import follow
from xflow.domain.alert import AlertEvent
from xflow.errors import ConfigInvalid
from xflow.pipeline import AnyPipeline
from xflow.promotion_runner import PromotionRunner
from xflow.refs import Verdict
from xflow.runner import Json, Runner
from xflow.steps.approval import asked, question

Reason = Annotated[str | None, typer.Option(help="Why; it is kept with the decision. Asked for when left out.")]
Target = Annotated[str | None, typer.Option(help="Which model, of a pipeline that has several; default: all of them.")]
To = Annotated[str | None, typer.Option(help="Version to put back, as 7; default: the one that served before.")]
Approve = Annotated[
    bool | None,
    typer.Option(
        "--approve/--no-approve", help="Answer the question of a pipeline with promotion.approval; asked when left out."
    ),
]
Wanted = Annotated[str, typer.Option(help="Version that shall serve, as 7, or an alias, as @staging.")]


def rollback(name: Name, to: To = None, target: Target = None, reason: Reason = None, run_id: RunId = None) -> None:
    """Put the version that served before, or a named one, back into service."""
    with reported():
        why = _asked(reason)
        with Steps(PromotionRunner(*run_of(name, "rollback", run_id))) as steps:
            swaps = steps.call("roll back", steps.runner.roll_back, why, person(), to, target)
        _print(swaps)
        tell_moved(steps.runner, "rollback", swaps)
        follow(name)


def promote(name: Name, to: Wanted, target: Target = None, reason: Reason = None, run_id: RunId = None) -> None:
    """Put a version into service by hand, without a judgement."""
    with reported():
        why = _asked(reason)
        with Steps(PromotionRunner(*run_of(name, "rollback", run_id))) as steps:
            swaps = steps.call("promote", steps.runner.promote, why, person(), to, target)
        _print(swaps)
        tell_moved(steps.runner, "promotion", swaps)
        follow(name)


def approval(pipeline: AnyPipeline, verdict: Json, given: bool | None) -> Json | None:
    """Return a person's answer about a version that won, an `Approval`; None when nobody has to be asked.

    Without a terminal to ask on, and without an answer given, it is a refusal.
    """
    judged, policy = Verdict.model_validate(verdict), pipeline.promotion
    if not policy.approval or not asked(judged):
        return None
    if given is not None:
        return {"approved": given, "by": person(), "note": ""}
    subject, body = question(judged, policy)
    if not sys.stdin.isatty():
        target = f" --target {judged.target}" if judged.target else ""
        by_hand = f'xflow promote {pipeline.name} --to {judged.version.version}{target} --reason "..."'
        return {"approved": False, "by": "", "note": f"there was no terminal to ask on; by hand: {by_hand}"}
    typer.echo(body)
    return {"approved": typer.confirm(subject), "by": person(), "note": ""}


def person() -> str:
    """Return who types: the user of the operating system, by number where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def tell_moved(run: Runner, event: AlertEvent, swaps: list[Json]) -> None:
    """Tell people which versions serve from now on, through the addresses of ``XFLOW_ALERTS``."""
    moved = [swap for swap in swaps if swap["moved"]]
    if moved:
        reason = f"{person()}: " + "; ".join(map(_said, moved))
        tell(run.settings, run.pipeline, event, reason, {s["name"]: f"models:/{s['name']}/{s['after']}" for s in moved})


def _asked(reason: str | None) -> str:
    """Return why; ask for it on a terminal.

    Raises
    ------
    ConfigInvalid
        None is given, and there is nobody to ask.
    """
    if reason is None and sys.stdin.isatty():
        reason = str(typer.prompt("Why"))
    if not (reason or "").strip():
        raise ConfigInvalid('say why with --reason "...": it is kept with the decision')
    return str(reason)


def _print(swaps: list[Json]) -> None:
    for swap in swaps:
        if swap["moved"]:
            typer.echo(_said(swap))
        else:
            typer.echo(f"{swap['name']} version {swap['after']} serves already; nothing was changed")


def _said(swap: Json) -> str:
    instead = f" in place of version {swap['before']}" if swap["before"] else ""
    return f"{swap['name']} version {swap['after']} serves{instead}: {swap['reason']}"
