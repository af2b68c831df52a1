"""The model of one target: calibrated members, averaged."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.pipeline import Pipeline

from xflow.domain.ensemble import blend, greedy
from xflow.domain.vacancies.calibration import Calibration, Folds, cross_calibrated
from xflow.domain.vacancies.candidates import Candidate, check_finite
from xflow.domain.vacancies.cohorts import Labels
from xflow.domain.vacancies.metrics import log_loss

Floats = npt.NDArray[np.float64]
Weights = dict[str, float]


@dataclass(frozen=True, slots=True)
class Member:
    """One fitted candidate.

    Attributes
    ----------
    weight
        Its share of the model.
    pipeline
        From features frame to probabilities.
    calibration
        Of its probabilities.
    """

    weight: float
    pipeline: Pipeline
    calibration: Calibration


@dataclass(frozen=True, slots=True)
class CohortModel:
    """Predicts the probabilities of one target's cohorts.

    Attributes
    ----------
    target
        ``salary`` or ``demand``.
    cohorts
        Their names, in ascending order.
    boundaries
        Lower ends of the second and further cohorts, monthly net roubles or days.
    measure
        ``lifetime`` or ``age`` for demand, ``""`` for salary.
    texts, categories
        Columns of the features frame that it sees.
    members
        By name.
    learned
        `splits.identities` of the rows that it was fitted on: it cannot be judged by those.
    """

    target: str
    cohorts: tuple[str, ...]
    boundaries: tuple[float, ...]
    measure: str
    texts: tuple[str, ...]
    categories: tuple[str, ...]
    members: dict[str, Member]
    learned: frozenset[int] = frozenset()

    def probabilities(self, frame: pd.DataFrame) -> Floats:
        """Return each cohort's probability for the rows of a features frame, shape (n, k); rows sum to 1.

        Raises
        ------
        ForecastNotFinite
            One of them is NaN or infinite.
        """
        if not len(frame):
            return np.zeros((0, len(self.cohorts)))
        made = {
            name: member.calibration.apply(check_finite(member.pipeline.predict_proba(frame), name))
            for name, member in self.members.items()
        }
        return blend(made, {name: member.weight for name, member in self.members.items()})

    def top_features(self, count: int = 12) -> dict[str, list[tuple[str, float]]]:
        """Return the features that speak most for each cohort, with their weights, the strongest first.

        They are those of the linear member of the largest weight; empty without one.
        """
        linear = {
            name: member for name, member in self.members.items() if getattr(member.pipeline["model"], "model_", None)
        }
        if not linear:
            return {}
        pipeline = max(linear.values(), key=lambda member: member.weight).pipeline
        names, model = feature_names(pipeline), pipeline["model"]
        coefficients = model.coefficients()
        return {
            self.cohorts[code]: [(str(names[i]), float(row[i])) for i in np.argsort(-row, kind="stable")[:count]]
            for code, row in zip(model.present_, coefficients)
        }


def combine(oof: Mapping[str, Floats], labels: Labels, folds: Folds) -> tuple[Weights, float]:
    """Return the members' weights and the log loss of their average, by greedy selection (see `ensemble.greedy`).

    Parameters
    ----------
    oof
        Out-of-fold probabilities by candidate, not calibrated, each of shape (n, k).
    """
    calibrated = {name: cross_calibrated(made, labels, folds) for name, made in oof.items()}
    return greedy(calibrated, lambda made: log_loss(made, labels))


def fit_model(
    candidates: Mapping[str, tuple[float, Candidate]],
    oof: Mapping[str, Floats],
    *,
    frame: pd.DataFrame,
    labels: Labels,
    target: str,
    boundaries: tuple[float, ...],
    measure: str,
    texts: tuple[str, ...],
    categories: tuple[str, ...],
) -> CohortModel:
    """Fit every member on all rows, and its calibration on its out-of-fold probabilities.

    Parameters
    ----------
    candidates
        Weight and unfitted candidate by name.
    oof
        Out-of-fold probabilities of each, not calibrated, shape (n, k), in the rows' order.
    frame, labels
        The rows to learn from.
    """
    members = {
        name: Member(weight, candidate.fit(frame, labels).pipeline, Calibration.fit(oof[name], labels))
        for name, (weight, candidate) in candidates.items()
    }
    return CohortModel(target, labels.cohorts, boundaries, measure, texts, categories, members)


def feature_names(pipeline: Pipeline) -> npt.NDArray[Any]:
    """Return the names of a member's features, such as ``name_words__python``, shape (f,)."""
    return np.asarray(pipeline["encode"].get_feature_names_out(), dtype=object)
