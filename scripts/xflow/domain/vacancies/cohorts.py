"""Cohorts of salary and demand, and which of them a vacancy may belong to."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from xflow.errors import ContractViolated
from xflow.vacancy_pipeline import DemandTarget, SalaryTarget

NOT_STATED = "not stated"
QUANTILE_STEP = 100
"""Fitted boundaries are rounded to so many roubles, that cohorts have names people can read."""

SEEN_WITHIN = 2.0
"""Most days that a vacancy may have been there before it was first seen, to count as seen from its beginning."""

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What is known of the cohort of every row.

    Attributes
    ----------
    cohorts
        Their names, in ascending order.
    feasible
        Which cohorts a row may belong to, shape (n, k): one when it is known, several when the row is
        censored, none when it is left out.
    lower, upper
        Bounds in days of what the row's cohort was made from, shape (n,): equal when it is known, `upper`
        infinite when censored; None for salaries.
    followed
        Rows whose cohort is known by now whichever it is, shape (n,); None: all. A lifetime that has just
        begun is known only when it was short, so those that are known would not be a fair sample.
    """

    cohorts: tuple[str, ...]
    feasible: Bools
    lower: Floats | None = None
    upper: Floats | None = None
    followed: Bools | None = None

    def __len__(self) -> int:
        return len(self.feasible)

    @property
    def known(self) -> Bools:
        """Rows of one feasible cohort, shape (n,)."""
        return np.asarray(self.feasible.sum(axis=1) == 1)

    @property
    def usable(self) -> Bools:
        """Rows to learn from: those that are not left out, shape (n,).

        One that may be of any cohort is among them: a vacancy that is open after few days has outlived others.
        """
        return np.asarray(self.feasible.any(axis=1))

    @property
    def judged(self) -> Bools:
        """Rows that a model is judged by: known ones, of lifetimes those followed long enough, shape (n,)."""
        return self.known if self.followed is None else self.known & self.followed

    @property
    def codes(self) -> npt.NDArray[np.int64]:
        """Index of the cohort where it is known, otherwise -1, shape (n,)."""
        return np.where(self.known, self.feasible.argmax(axis=1), -1)

    def take(self, rows: npt.NDArray) -> "Labels":
        """Return the labels of some rows, given by index or by flag."""
        others = (self.lower, self.upper, self.followed)
        return Labels(self.cohorts, self.feasible[rows], *(None if each is None else each[rows] for each in others))

    def counts(self) -> dict[str, int]:
        """Return the number of judged rows by cohort."""
        return dict(zip(self.cohorts, np.bincount(self.codes[self.judged], minlength=len(self.cohorts)).tolist()))


def salary_boundaries(frame: pd.DataFrame, target: SalaryTarget) -> tuple[float, ...]:
    """Return the lower ends of the second and further salary cohorts, in monthly net roubles.

    Parameters
    ----------
    frame
        The part to learn from, and no other, with `salary_net`; the target's quantiles are those of its
        stated salaries, rounded to 100 roubles. Equal ones are merged, so there may be fewer cohorts.

    Raises
    ------
    ContractViolated
        Quantiles are wanted and the salaries stated do not differ enough for two cohorts.
    """
    if target.quantiles is None:
        return target.boundaries
    stated = frame["salary_net"].to_numpy(np.float64)
    stated = stated[np.isfinite(stated)]
    if not len(stated):
        raise ContractViolated(_no_salaries(len(frame)))
    cuts = np.quantile(stated, np.arange(1, target.quantiles) / target.quantiles, method="higher")
    rounded = np.unique(np.round(cuts / QUANTILE_STEP) * QUANTILE_STEP)
    boundaries = rounded[(rounded > stated.min()) & (rounded <= stated.max())]
    if not len(boundaries):
        raise ContractViolated(
            f"salary: {len(stated)} stated salaries from {stated.min():g} to {stated.max():g} roubles differ too "
            f"little for {target.quantiles} cohorts by quantiles: set boundaries, or bring more vacancies."
        )
    return tuple(boundaries.tolist())


def salary_labels(frame: pd.DataFrame, target: SalaryTarget, boundaries: tuple[float, ...]) -> Labels:
    """Return the salary cohorts of a frame with `salary_net` (monthly net roubles, NaN when there is no such figure).

    A salary that equals a boundary lies in the cohort that begins there. Vacancies without a salary are the
    first cohort, or are left out, as the target says. Left out are always those that state a salary (`salary_stated`;
    without that column all have a figure) which is none by the month: by the hour, of an unknown currency.
    """
    salary = frame["salary_net"].to_numpy(np.float64)
    known = np.isfinite(salary)
    silent = ~known & (frame.get("salary_stated", pd.Series(known)).to_numpy(np.float64) == 0)
    feasible = _one_hot(np.searchsorted(boundaries, salary, side="right"), len(boundaries) + 1) & known[:, None]
    names = _names([_thousands(boundary) for boundary in boundaries], unit="")
    if target.not_stated == "leave_out":
        return Labels(names, feasible)
    return Labels((NOT_STATED, *names), np.column_stack([silent, feasible]))


def demand_measure(frame: pd.DataFrame, target: DemandTarget) -> str:
    """Return ``lifetime`` or ``age``: for ``auto``, lifetimes when enough vacancies of the frame have closed.

    Only those count that were seen from their beginning and followed up to the last boundary.
    """
    if target.measure != "auto":
        return target.measure
    closed = (frame["closed"] == 1) & _from_the_beginning(frame) & _followed(frame, target)
    return "lifetime" if closed.sum() >= target.min_closed else "age"


def demand_labels(frame: pd.DataFrame, target: DemandTarget, measure: str) -> Labels:
    """Return the demand cohorts of a frame with `days`, `closed`, `entered` and `followed`.

    Parameters
    ----------
    measure
        ``lifetime``: a closed vacancy's is known, that of an open one may be any that does not end before its
        days so far; vacancies that were older than `SEEN_WITHIN` days when first seen are left out: they are
        there because they live long. ``age``: the days so far of an open vacancy, which a snapshot shows as
        if they were all; what it would have been for a closed one is not known, so those are left out. The
        cohorts' names say which of the two it is.
    """
    days, closed = frame["days"].to_numpy(np.float64), frame["closed"].to_numpy(np.float64) == 1
    names = _names([f"{boundary:g}" for boundary in target.boundaries], unit=" days")
    dated = ~np.isnan(days)
    reached = np.searchsorted(target.boundaries, days, side="right")
    exact = _one_hot(reached, len(names))
    if measure == "age":
        feasible = exact & (dated & ~closed)[:, None]
        return Labels(tuple(f"age {name}" for name in names), feasible, days, days)
    later = np.arange(len(names)) >= reached[:, None]
    seen = (dated & _from_the_beginning(frame))[:, None]
    feasible = np.where(closed[:, None], exact, later) & seen
    return Labels(names, feasible, days, np.where(closed, days, np.inf), _followed(frame, target))


def check_labels(labels: Labels, target: str, folds: int) -> None:
    """Refuse labels that nothing can be learned from.

    Parameters
    ----------
    target
        ``salary`` or ``demand``, for the message.
    folds
        Folds of the cross-validation.

    Raises
    ------
    ContractViolated
        No row is known, all known ones are of one cohort, or there are fewer than folds.
    """
    found = {name: count for name, count in labels.counts().items() if count}
    known = sum(found.values())
    if target == "salary" and set(found) <= {NOT_STATED}:
        raise ContractViolated(_no_salaries(len(labels)))
    if not known:
        raise ContractViolated(
            f"{target}: the cohort of none of {len(labels)} vacancies is known: with measure lifetime, wait until some "
            "that snapshots showed from their first days on have closed, or set measure: auto or age."
        )
    if len(found) == 1:
        raise ContractViolated(
            f"{target}: all {known} known vacancies are of the cohort {next(iter(found))!r}: there is nothing to "
            f"tell apart. Set other boundaries for {target} in the pipeline's YAML, or collect more vacancies."
        )
    if known < 2 * folds:
        raise ContractViolated(
            f"{target}: the cohort of {known} vacancies alone is known ({found}), {folds} folds need at least "
            f"{2 * folds}: collect more vacancies, or set fewer model.folds."
        )


def _from_the_beginning(frame: pd.DataFrame) -> Bools:
    return np.asarray(frame["entered"].to_numpy(np.float64) <= SEEN_WITHIN)  # False without a history, where it is NaN


def _followed(frame: pd.DataFrame, target: DemandTarget) -> Bools:
    return np.asarray(frame["followed"].to_numpy(np.float64) >= target.boundaries[-1])


def _no_salaries(rows: int) -> str:
    return (
        f"salary: none of {rows} vacancies states a salary by the month: train on vacancies that do, or set "
        "model.salary to null in the pipeline's YAML."
    )


def _one_hot(codes: npt.NDArray, count: int) -> Bools:
    return np.asarray(codes[:, None] == np.arange(count))


def _thousands(roubles: float) -> str:
    return f"{roubles / 1000:.7g}k"


def _names(bounds: list[str], unit: str) -> tuple[str, ...]:
    between = [f"{low}-{high}{unit}" for low, high in pairwise(bounds)]
    return (f"below {bounds[0]}{unit}", *between, f"{bounds[-1]}{unit} and more")
