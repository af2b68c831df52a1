"""Days that a vacancy lives, by a survival model that learns from open vacancies too."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import expit, ndtr
from sklearn.base import BaseEstimator, ClassifierMixin

from xflow.domain.contributions import LOG_DAYS, Contributions
from xflow.domain.global_xgb import compute_device
from xflow.domain.vacancies.classifiers import shap_values, tree_margins, tree_params
from xflow.domain.vacancies.cohorts import Labels
from xflow.errors import ConfigInvalid

SHORTEST = 1 / 24
"""Days below count as this: the model takes logarithms."""

FIRST_SCALE = 1.0
SCALES = (0.1, 5.0)
DISTRIBUTIONS = {"normal": ndtr, "logistic": expit, "extreme": lambda z: -np.expm1(-np.exp(np.minimum(z, 50)))}
"""Distribution functions of the error of the log of days, by XGBoost's names."""

Floats = npt.NDArray[np.float64]


class Survival(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """Accelerated failure time: log(days) = trees(x) + scale * error (XGBoost ``survival:aft``).

    A cohort's probability is what the fitted distribution has between its boundaries.

    Parameters
    ----------
    trees, depth, learning_rate, min_child_weight, subsample, colsample, reg_lambda
        XGBoost's parameters.
    distribution
        Of the error: ``normal``, ``logistic`` or ``extreme``.
    scale
        None: the likeliest one on a quarter of the rows for trees that learned from the others.
    boundaries
        Lower ends of the second and further cohorts, in days.
    device
        ``auto``, ``cpu`` or ``cuda``.
    """

    def __init__(
        self,
        trees: int,
        depth: int,
        learning_rate: float,
        min_child_weight: float,
        subsample: float,
        colsample: float,
        reg_lambda: float,
        distribution: str,
        scale: float | None,
        boundaries: tuple[float, ...] = (10.0, 20.0),
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.trees, self.depth, self.learning_rate, self.min_child_weight = (
            trees,
            depth,
            learning_rate,
            min_child_weight,
        )
        self.subsample, self.colsample, self.reg_lambda = subsample, colsample, reg_lambda
        self.distribution, self.scale, self.boundaries = distribution, scale, boundaries
        self.seed, self.device = seed, device

    def fit(self, features: Any, y: Labels) -> Self:
        """Learn from features, shape (n, f), and labels with bounds in days."""
        if y.lower is None or y.upper is None:
            raise ConfigInvalid("a candidate of kind aft predicts days: give it targets: [demand]")
        lower, upper = np.maximum(y.lower, SHORTEST), np.maximum(y.upper, SHORTEST)
        self.scale_ = self.scale or self._likeliest_scale(features, lower, upper)
        self.booster_ = self._train(features, lower, upper, self.scale_)
        return self

    def predict_proba(self, features: Any) -> Floats:
        """Return probabilities, shape (n, k)."""
        return self.from_margins(self._log_days(self.booster_, features)[:, None])

    def contributions(self, features: Any) -> Contributions:
        """Return the SHAP values of one row's features, shape (1, f), for the log of its days."""
        values = shap_values(self.booster_, features)
        return Contributions(LOG_DAYS, values[:-1], values[-1], self.margins(features)[0])

    def margins(self, features: Any) -> Floats:
        """Return the log of days, shape (n, 1)."""
        return tree_margins(self.booster_, features)

    def from_margins(self, margins: Floats) -> Floats:
        """Return the probabilities of the log of days, shape (n, 1), as shape (n, k)."""
        error = (np.log(self.boundaries) - margins) / self.scale_
        below = DISTRIBUTIONS[self.distribution](error)
        ends = np.zeros((len(below), 1)), np.ones((len(below), 1))
        return np.asarray(np.diff(np.hstack([ends[0], below, ends[1]]), axis=1))

    def _likeliest_scale(self, features: Any, lower: Floats, upper: Floats) -> float:
        n = len(lower)
        held = np.zeros(n, dtype=bool)
        held[np.random.default_rng(self.seed).permutation(n)[: n // 4]] = True
        if not (held & np.isfinite(upper)).any():
            return FIRST_SCALE
        booster = self._train(features[~held], lower[~held], upper[~held], FIRST_SCALE)
        center = self._log_days(booster, features[held])
        error, ended = np.log(lower[held]) - center, np.isfinite(upper[held])

        def loss(log_scale: float) -> float:
            scale = np.exp(log_scale)
            cdf, step = DISTRIBUTIONS[self.distribution], 1e-4
            density = (cdf(error / scale + step) - cdf(error / scale - step)) / (2 * step * scale)
            likelihood = np.where(ended, density, 1 - cdf(error / scale))
            return float(-np.log(np.maximum(likelihood, 1e-12)).sum())

        found = minimize_scalar(loss, bounds=tuple(np.log(SCALES)), method="bounded")
        return float(np.exp(found.x))

    def _train(self, features: Any, lower: Floats, upper: Floats, scale: float) -> Any:
        import xgboost

        data = xgboost.DMatrix(features)
        data.set_float_info("label_lower_bound", lower)
        data.set_float_info("label_upper_bound", upper)
        params = {
            **tree_params(self),
            "objective": "survival:aft",
            "aft_loss_distribution": self.distribution,
            "aft_loss_distribution_scale": scale,
            "base_score": float(np.median(lower)),
        }
        return xgboost.train(params, data, num_boost_round=self.trees)

    def _log_days(self, booster: Any, features: Any) -> Floats:
        import xgboost

        booster.set_param({"device": compute_device(self.device)})
        return np.asarray(np.log(booster.predict(xgboost.DMatrix(features)).astype(np.float64)))
