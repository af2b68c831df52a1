"""What realised figures mean: which windows are bad, and when they ask for a retraining."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from xflow.pipeline_base import MonitorPolicy

DRIFTED = ("warn", "stop")
"""Levels of the drift gate that count as drift."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Realised figures of one part of the predictions.

    Attributes
    ----------
    target
        What was predicted; ``""`` where a pipeline has one target alone.
    version
        Version of the model; ``""``: of whichever made the newest prediction.
    slice, item
        What the part is: ``all``, ``window``, ``step``, ``run``, ``series``, ``role``, ``area`` or ``cohort``, and
        which one of them.
    n
        Number of predictions whose outcome is known.
    figures
        Metric to its value; those that cannot be told are left out.
    """

    target: str
    version: str
    slice: str
    item: str
    n: int
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Window:
    """One period of outcomes: when it starts, how many there are, and their error."""

    start: datetime
    n: int
    error: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the rule knows beside the windows.

    Attributes
    ----------
    known_until
        Newest time that the last training knew; windows that do not start after it are no news. None: no training.
    drift
        Level of the last drift gate; ``""`` when there was none.
    pending
        A retraining was asked for and has not ended yet.
    """

    known_until: datetime | None = None
    drift: str = ""
    pending: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to ask for a retraining, and why."""

    ask: bool
    reason: str


def is_bad(n: int, error: float, holdout: float, policy: MonitorPolicy) -> bool | None:
    """Return whether a window's error is worse than the holdout's by the policy's factor; None: too few to tell."""
    if n < policy.min_count or not math.isfinite(error) or not math.isfinite(holdout):
        return None
    return error > policy.worse_than * holdout


def decide(windows: Sequence[Window], holdout: float, evidence: Evidence, policy: MonitorPolicy) -> Decision:
    """Decide whether the realised error of the serving model asks for a retraining.

    It does when `policy.bad` of the last `policy.windows` windows are bad, or when the newest one is bad and the input
    or the predictions have drifted. Windows count when they can be told (see `is_bad`) and are news to the last
    training: otherwise a model that stayed the champion would ask for the same training every day.

    Parameters
    ----------
    windows
        Of the serving version, in any order.
    holdout
        Its error on its holdout; NaN when it is not known: nothing is asked for then.
    """
    known = evidence.known_until
    news = sorted((each for each in windows if known is None or each.start > known), key=lambda each: each.start)
    told = [found for each in news if (found := is_bad(each.n, each.error, holdout, policy)) is not None]
    last = told[-policy.windows :]
    if not last:
        return Decision(False, "no window since the last training has enough known outcomes to be judged")
    count = f"{sum(last)} of the last {len(last)} windows worse than {policy.worse_than:g} times the holdout"
    many, drifted = sum(last) >= policy.bad, last[-1] and evidence.drift in DRIFTED
    if not (many or drifted):
        return Decision(False, count)
    why = count if many else f"{count}, the newest among them, and drift ({evidence.drift})"
    if evidence.pending:
        return Decision(False, f"{why}; a retraining was asked for before and has not ended yet")
    return Decision(True, f"asks for a retraining: {why}")
