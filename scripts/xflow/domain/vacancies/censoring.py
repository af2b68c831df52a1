"""Censored rows for models that know no censoring: each counts, in part, for every cohort that it may be of."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xflow.domain.vacancies.cohorts import Labels

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Weighted:
    """Rows with one cohort each; a censored row appears once for every cohort that it may be of.

    Attributes
    ----------
    rows, codes
        Index of the row and of its cohort, shape (m,).
    weights
        How much of the row counts for the cohort, shape (m,); those of one row sum to 1.
    shares
        Each cohort's share of all weights, shape (k,), above 0: one without rows counts as one more row,
        divided by their number.
    """

    rows: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    weights: Floats
    shares: Floats

    def balanced(self, power: float) -> Floats:
        """Return the weights times the cohort's share to the power of minus `power`, with a mean as before."""
        scaled = self.weights * (self.shares**-power)[self.codes]
        return np.asarray(scaled * self.weights.sum() / scaled.sum())


def redistributed(labels: Labels) -> Weighted:
    """Spread every censored row over its feasible cohorts as the rows that lived as long were spread.

    The shares are those of the product-limit estimate (Kaplan and Meier 1958) beyond the row's own bound;
    Efron (1967, The two sample problem with censored data) showed that to be the same as handing a censored
    row's weight to those that outlive it. Rows that are known count for their cohort alone.

    Parameters
    ----------
    labels
        All usable.
    """
    weights = labels.feasible.astype(np.float64)
    censored = ~labels.known
    if censored.any():
        assert labels.lower is not None  # noqa: S101  (only days are censored)
        weights[censored] = _beyond(labels, censored)
    rows, codes = np.nonzero(weights)
    found = weights[rows, codes]
    sums = np.bincount(codes, weights=found, minlength=weights.shape[1])
    sums = np.maximum(sums, 1 / len(sums))
    return Weighted(rows, codes, found, sums / sums.sum())


def _beyond(labels: Labels, censored: npt.NDArray[np.bool_]) -> Floats:
    """Return the cohorts' shares among what outlives each censored row, shape (censored rows, k)."""
    days, codes = labels.lower, labels.codes
    assert days is not None  # noqa: S101
    died, code, mass = _deaths(days, codes)
    total = np.zeros((len(died) + 1, len(labels.cohorts)))
    np.add.at(total, (np.arange(len(died)), code), mass)
    rest = 1 - mass.sum()
    total[-1, -1] = max(rest, 0)  # what outlives every death is of the last cohort
    after = np.cumsum(total[::-1], axis=0)[::-1]
    found = after[np.searchsorted(died, days[censored], side="right")] * labels.feasible[censored]
    sums = found.sum(axis=1, keepdims=True)
    last = np.eye(len(labels.cohorts))[-1]
    return np.asarray(np.where(sums > 0, found / np.where(sums > 0, sums, 1), last))


def _deaths(days: Floats, codes: npt.NDArray[np.int64]) -> tuple[Floats, npt.NDArray[np.int64], Floats]:
    """Return ends of life, ascending, their cohorts, and the product-limit estimate's mass at each."""
    order = np.lexsort([codes < 0, days])  # of one day, those that end come before those that are censored
    ended = codes[order] >= 0
    at_risk = len(days) - np.arange(len(days))
    survival = np.cumprod(np.where(ended, 1 - 1 / at_risk, 1.0))
    mass = np.append(1.0, survival[:-1]) - survival
    return days[order][ended], codes[order][ended], mass[ended]
