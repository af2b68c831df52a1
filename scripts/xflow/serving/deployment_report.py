"""What is told about versions that came into service, or did not."""

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from xflow.pipeline import AnyPipeline

if TYPE_CHECKING:
    from xflow.serving.served import ServedModel
    from xflow.serving.smoke import Smoke

Outcome = Literal["deployed", "unchanged", "refused", "failed"]
"""``refused``: so it is again, until somebody acts; ``failed``: the same may succeed later."""

DETAILS = re.compile(r": |, as | \(")
"""Behind it a reason goes into its particulars."""


class Attempt(BaseModel):
    """How a version last fared that was to come into service."""

    version: str
    outcome: Outcome
    reason: str = ""
    at: datetime


class Deployment(BaseModel):
    """A version that is in service, and what its smoke test found; no figures when it was in service already."""

    name: str
    pipeline: str
    target: str
    version: str
    previous: str
    outcome: Literal["deployed", "unchanged"]
    golden_rows: int = 0
    difference: float = 0.0
    p50_ms: float | None = None
    p99_ms: float | None = None
    since: datetime


class ModelState(BaseModel):
    """A model of a pipeline's file, and the version that answers for it; None: there is none yet."""

    name: str
    pipeline: str
    target: str
    version: str | None
    mlflow_run_id: str | None
    since: datetime | None
    last: Attempt | None


def report(
    served: "ServedModel",
    old: "ServedModel | None",
    outcome: Literal["deployed", "unchanged"],
    found: "Smoke | None" = None,
) -> Deployment:
    """Return what a caller is told about a version that is in service."""
    figures: dict[str, Any] = {}
    if found is not None:
        figures = {"golden_rows": found.rows, "difference": found.difference}
        figures |= {"p50_ms": found.p50_ms, "p99_ms": found.p99_ms}
    return Deployment(
        name=served.version.name,
        pipeline=served.pipeline.name,
        target=served.target,
        version=served.version.version,
        previous=number(old),
        outcome=outcome,
        since=served.since,
        **figures,
    )


def state(
    name: str, pipeline: AnyPipeline, target: str, served: "ServedModel | None", last: Attempt | None
) -> ModelState:
    """Return what a caller is told about a model, in service or not."""
    version = None if served is None else served.version
    return ModelState(
        name=name,
        pipeline=pipeline.name,
        target=target,
        version=None if version is None else version.version,
        mlflow_run_id=None if version is None else version.mlflow_run_id,
        since=None if served is None else served.since,
        last=last,
    )


def shortly(name: str, last: Attempt | None) -> str:
    """Return how a version fared, without what a reason quotes: it may be shown to anybody."""
    if last is None:
        return "was not tried"
    label = f"{name} version {last.version}"
    if not last.reason.startswith(label):
        return f"version {last.version} {last.outcome}"
    return f"version {last.version} {last.outcome}: {DETAILS.split(last.reason.removeprefix(label).lstrip(': '))[0]}"


def number(served: "ServedModel | None") -> str:
    """Return the number of a version; empty for none."""
    return "" if served is None else served.version.version
