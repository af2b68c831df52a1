"""Probabilities made to mean what they say."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax

from xflow.domain.vacancies.cohorts import Labels
from xflow.domain.vacancies.metrics import log_loss

PULL = 5.0
"""Strength, in rows, of the pull towards no change: a few rows cannot bend the probabilities."""

Floats = npt.NDArray[np.float64]
Folds = list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Vector scaling (Guo et al. 2017, On calibration of modern neural networks), one slope for all cohorts.

    log p'(j) = slope * log p(j) + shift(j), up to a constant of the row.

    Attributes
    ----------
    slope
        Above 1 where the model is too timid, below where it is too sure.
    shifts
        Shape (k,).
    """

    slope: float
    shifts: Floats

    @classmethod
    def fit(cls, probabilities: Floats, labels: Labels) -> Self:
        """Fit slope and shifts by the likelihood of the judged rows.

        Parameters
        ----------
        probabilities
            Of rows that the model did not see, shape (n, k). Where the fit does not lower their log loss, the
            result changes nothing.
        """
        k = probabilities.shape[1]
        identity = cls(1.0, np.zeros(k))
        judged = labels.judged
        if not judged.any():
            return identity
        logs, feasible = np.log(np.maximum(probabilities[judged], 1e-12)), labels.feasible[judged]

        def loss(params: Floats) -> tuple[float, Floats]:
            made = log_softmax(params[0] * logs + params[1:], axis=1)
            p = np.exp(made)
            q = np.where(feasible, p, 1e-300)
            mass = q.sum(axis=1, keepdims=True)
            change = p - q / mass  # derivative of a row's loss by its scaled log probabilities
            pull = np.append(params[0] - 1, params[1:])
            slopes = np.append((change * logs).sum(), change.sum(axis=0)) + PULL * pull
            return float(-np.log(mass).sum() + PULL * (pull**2).sum() / 2), slopes

        found = minimize(
            loss, np.append(1.0, np.zeros(k)), jac=True, method="L-BFGS-B", bounds=[(0.05, 20)] + [(-5, 5)] * k
        )
        fitted = cls(float(found.x[0]), found.x[1:])
        better = log_loss(fitted.apply(probabilities), labels) < log_loss(probabilities, labels)
        return fitted if better else identity

    def apply(self, probabilities: Floats) -> Floats:
        """Return calibrated probabilities, shape (n, k)."""
        logs = np.log(np.maximum(probabilities, 1e-12))
        return np.asarray(np.exp(log_softmax(self.slope * logs + self.shifts, axis=1)))


def cross_calibrated(oof: Floats, labels: Labels, folds: Folds) -> Floats:
    """Return out-of-fold probabilities, calibrated fold by fold on those of the other folds.

    So they are what calibrated predictions of unseen rows are like, and may be compared.

    Parameters
    ----------
    oof
        Shape (n, k).
    folds
        Train and test rows, see `xflow.domain.vacancies.splits.folds`.
    """
    made = np.array(oof)
    for train, test in folds:
        made[test] = Calibration.fit(oof[train], labels.take(train)).apply(oof[test])
    return made


def equal_shares(probabilities: Floats, shares: Floats) -> Floats:
    """Return the probabilities as they were if all cohorts were equally frequent, shape (n, k).

    One versus one comparisons take a row's probability of one cohort; where one cohort is frequent, that mostly
    tells how likely the frequent one is. At equal shares it tells the pair apart.

    Parameters
    ----------
    shares
        Of the cohorts among the rows learned from, shape (k,), above 0.
    """
    scaled = probabilities / shares
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True))
