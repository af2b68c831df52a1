"""The rule of the drift gate: what an input and its predictions look like, beside what they looked like in training.

Two samples are compared column by column. What a check finds is the *share of the sample that moved*, between 0 and 1,
and how likely at least as much would be by chance, if nothing had changed. It counts when both are out of the
ordinary: a large sample makes every trifle significant, a small one makes every share large.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

import numpy as np
import pandas as pd

from xflow.domain.drift_tests import distance, fisher, holm, outside, top_categories, variation

FEWEST = 10
"""Values that a check needs on both sides: a handful may be of anything, and holding them back helps nobody."""
EXAMPLES = 5
NEVER = 1.0


class Level(StrEnum):
    """How far something has moved; in ascending order."""

    OK = "ok"
    WARN = "warn"
    STOP = "stop"


class Check(StrEnum):
    """What is compared of a column; of its values, those of numbers by their range, those of categories by name."""

    MISSING = "missing values"
    VALUES = "range"
    CATEGORIES = "new categories"
    DISTRIBUTION = "distribution"
    NEW = "new series"
    VANISHED = "vanished series"


LEVELS = tuple(Level)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the samples, and what of it is compared.

    Attributes
    ----------
    name
        NaN or None in it is a missing value.
    kind
        ``number`` or ``category``.
    tolerance
        Numbers that differ by no more are taken as equal, in the column's unit.
    sides
        Where numbers may move to, to be noticed: ``both``, ``low``, ``high``.
    checks
        What is compared.
    about
        What it is, for the report.
    """

    name: str
    kind: Literal["number", "category"] = "number"
    tolerance: float = 0.0
    sides: Literal["both", "low", "high"] = "both"
    checks: tuple[Check, ...] = (Check.MISSING, Check.VALUES, Check.DISTRIBUTION)
    about: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of one column.

    Attributes
    ----------
    share
        Of the sample that moved, 0 to 1.
    p
        Probability of at least that by chance; 0 for what is counted, not sampled.
    adjusted
        `p` corrected for the number of checks.
    detail
        Both sides in words.
    most
        The highest level that it may reach.
    """

    column: str
    check: Check
    share: float
    p: float
    detail: str
    most: Level = Level.STOP
    adjusted: float = NEVER
    level: Level = Level.OK


@dataclass(frozen=True, slots=True)
class Limits:
    """When a finding counts: `adjusted` below `alpha`, and a share of at least `warn` or `stop`."""

    alpha: float
    warn: float
    stop: float
    most: Level = Level.STOP


@dataclass(frozen=True, slots=True)
class Drift:
    """The verdict on a sample, and every check behind it, the worst first."""

    verdict: Level
    findings: tuple[Finding, ...] = field(default=())

    @property
    def drifted(self) -> tuple[Finding, ...]:
        """The findings that count."""
        return tuple(each for each in self.findings if each.level is not Level.OK)

    @property
    def figures(self) -> dict[str, float]:
        """The share of columns that drifted, the smallest corrected p-value and the largest share that counts."""
        columns = {each.column for each in self.findings}
        return {
            "drift_columns": len({each.column for each in self.drifted}) / len(columns) if columns else 0.0,
            "drift_smallest_p": min((each.adjusted for each in self.findings), default=1.0),
            "drift_largest_share": max((each.share for each in self.drifted), default=0.0),
            "drift_level": float(LEVELS.index(self.verdict)),
        }


def compare(
    reference: pd.DataFrame, current: pd.DataFrame, columns: Sequence[Column], p_values: Mapping[str, float]
) -> list[Finding]:
    """Return every check of the columns that both samples have, in `FEWEST` rows at least.

    Parameters
    ----------
    reference, current
        One row an entity: the training's, and those to judge.
    p_values
        Of the test of each column's distribution, by name. A column without one has nothing to test.
    """
    found: list[Finding] = []
    for column in columns:
        if column.name not in reference or column.name not in current:
            continue
        old, new = reference[column.name], current[column.name]
        if min(len(old), len(new)) >= FEWEST and Check.MISSING in column.checks:
            found.append(_missing(column, old, new))
        known, seen = old.dropna(), new.dropna()
        if min(len(known), len(seen)) < FEWEST:
            continue
        if Check.VALUES in column.checks:
            found.append(_range(column, known, seen) if column.kind == "number" else _categories(column, known, seen))
        if Check.DISTRIBUTION in column.checks and column.name in p_values:
            found.append(_distribution(column, known, seen, p_values[column.name]))
    return found


def judge(findings: Iterable[Finding], limits: Limits) -> Drift:
    """Return the verdict: the worst level of any finding, at most `limits.most`."""
    given = list(findings)
    judged = [
        replace(each, adjusted=p, level=_level(each, p, limits))
        for each, p in zip(given, holm([each.p for each in given]))
    ]
    judged.sort(key=lambda each: (-LEVELS.index(each.level), -each.share))  # else in their order: inputs first
    worst = max((LEVELS.index(each.level) for each in judged), default=0)
    return Drift(LEVELS[worst], tuple(judged))


def _level(finding: Finding, adjusted: float, limits: Limits) -> Level:
    if adjusted >= limits.alpha or finding.share < limits.warn:
        return Level.OK
    reached = Level.STOP if finding.share >= limits.stop else Level.WARN
    return min(reached, finding.most, limits.most, key=LEVELS.index)


def _missing(column: Column, old: pd.Series, new: pd.Series) -> Finding:
    """Say how many more values are missing than in training."""
    before, after = int(old.isna().sum()), int(new.isna().sum())
    shares = before / max(len(old), 1), after / max(len(new), 1)
    p = fisher(after, len(new), before, len(old))
    detail = f"{shares[1]:.1%} missing, {shares[0]:.1%} in training"
    return Finding(column.name, Check.MISSING, max(shares[1] - shares[0], 0.0), p, detail)


def _range(column: Column, old: pd.Series, new: pd.Series) -> Finding:
    """Say which values lie outside the range of the training."""
    low, high = float(old.min()) - column.tolerance, float(old.max()) + column.tolerance
    values = new.to_numpy(np.float64)
    below, above = values < low, values > high
    gone = {"both": below | above, "low": below, "high": above}[column.sides]
    count = int(gone.sum())
    p = outside(count, len(values), len(old), sides=2 if column.sides == "both" else 1)
    beyond = {"both": f"outside {low:.4g} to {high:.4g}", "low": f"below {low:.4g}", "high": f"above {high:.4g}"}
    detail = f"{count / len(values):.1%} {beyond[column.sides]}, the range of the training"
    if count:
        detail += f", as {', '.join(f'{value:.4g}' for value in sorted(set(values[gone]))[:EXAMPLES])}"
    return Finding(column.name, Check.VALUES, count / len(values), p, detail)


def _categories(column: Column, old: pd.Series, new: pd.Series) -> Finding:
    """Say which categories the training did not have.

    Some always do: as many as the training's sample has of categories that occur once (Good 1953, The population
    frequencies of species and the estimation of population parameters).
    """
    counts = old.value_counts()
    unknown = new[~new.isin(counts.index)]
    once = int((counts == 1).sum())
    p = fisher(len(unknown), len(new), once, len(old))
    share = len(unknown) / len(new)
    detail = f"{share:.1%} of categories unknown in training, {once / len(old):.1%} expected"
    if len(unknown):
        detail += f", as {', '.join(map(str, unknown.value_counts().index[:EXAMPLES]))}"
    return Finding(column.name, Check.CATEGORIES, max(share - once / len(old), 0.0), p, detail)


def _distribution(column: Column, old: pd.Series, new: pd.Series, p: float) -> Finding:
    """Say how far the distributions differ."""
    if column.kind == "number":
        before, after = old.to_numpy(np.float64), new.to_numpy(np.float64)
        share = distance(before, after, column.tolerance, column.sides)
        detail = f"median {np.median(after):.4g}, {np.median(before):.4g} in training"
    else:
        share = variation(*top_categories(old, new))
        detail = f"most often {_common(new)}; in training {_common(old)}"
    return Finding(column.name, Check.DISTRIBUTION, share, p if share else 1.0, detail)


def _common(values: pd.Series) -> str:
    shares = values.value_counts(normalize=True).head(3)
    return ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
