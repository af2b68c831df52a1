"""What each feature adds to what a model computes of one row, before that becomes its prediction."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LOG_ODDS = "log odds"
LOG_DAYS = "log days"
NOTHING = "nothing"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """An additive account of one row: ``base + values.sum(axis=0)`` are the margins.

    Attributes
    ----------
    unit
        Of the margins: ``log odds``, ``log days``, or ``nothing`` of a model that looks at no feature.
    values
        Shape (f, m): SHAP values of trees (Lundberg et al. 2020, From local explanations to global understanding),
        coefficient times value of a linear model.
    base
        Margins of a row of which nothing is known, shape (m,).
    margins
        What the model itself computes of the row, shape (m,).
    cohorts
        The code of the cohort that each margin is of; empty where one margin stands for all of them.
    """

    unit: str
    values: Floats
    base: Floats
    margins: Floats
    cohorts: tuple[int, ...] = ()

    @property
    def gap(self) -> float:
        """The largest difference between a margin and the sum of its contributions; 0 but for rounding."""
        return float(np.abs(self.base + self.values.sum(axis=0) - self.margins).max(initial=0.0))
