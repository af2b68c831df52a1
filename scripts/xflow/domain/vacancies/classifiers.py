"""Estimators of cohort probabilities from encoded vacancies: majority, logistic regression, XGBoost.

Each takes `Labels` for ``y``, all of whose rows are usable, and returns a probability for every cohort of
them, also for one that no row is known to be of.
"""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin

from xflow.domain.contributions import LOG_ODDS, NOTHING, Contributions
from xflow.domain.global_xgb import compute_device
from xflow.domain.vacancies.censoring import redistributed
from xflow.domain.vacancies.cohorts import Labels

DOUBT = 1e-3
"""Weight of the cohorts' shares in every prediction: nothing is impossible, not even a cohort never seen."""

HALVES = np.array([-0.5, 0.5])
"""Of two cohorts the logistic regression decides once: half of it counts for the one, half against the other."""

Floats = npt.NDArray[np.float64]


class Majority(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """The cohorts' shares among the rows seen, whatever the vacancy: the floor of every model."""

    def fit(self, features: Any, y: Labels) -> Self:  # noqa: ARG002  (sklearn's interface)
        """Learn the shares."""
        self.shares_ = redistributed(y).shares
        return self

    def predict_proba(self, features: Any) -> Floats:
        """Return the shares for each row, shape (n, k)."""
        return np.tile(self.shares_, (features.shape[0], 1))

    def contributions(self, features: Any) -> Contributions:  # noqa: ARG002  (no feature counts)
        """Return that no feature counts."""
        return Contributions(NOTHING, np.zeros((0, 1)), np.zeros(1), np.zeros(1))

    def from_margins(self, margins: Floats) -> Floats:
        """Return the shares for each row, shape (n, k)."""
        return np.tile(self.shares_, (len(margins), 1))


class Linear(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """Multinomial logistic regression.

    Parameters
    ----------
    C
        Inverse strength of the penalty.
    balance
        Weight of a cohort's rows: its share to the power of minus this. 1 learns all cohorts alike, 0 each as
        often as it occurs; the probabilities are brought back to the shares in either case.
    """

    def __init__(self, C: float, balance: float) -> None:  # noqa: N803  (the usual name)
        self.C, self.balance = C, balance

    def fit(self, features: Any, y: Labels) -> Self:
        """Learn from features, shape (n, f)."""
        from sklearn.linear_model import LogisticRegression

        rows = redistributed(y)
        self.prior_ = rows.shares
        self.model_ = None
        self.present_ = np.unique(rows.codes)
        if len(self.present_) > 1:
            model = LogisticRegression(C=self.C, max_iter=1000)
            weights = rows.balanced(self.balance)
            self.model_ = model.fit(features[rows.rows], rows.codes, sample_weight=weights)
        return self

    def predict_proba(self, features: Any) -> Floats:
        """Return probabilities, shape (n, k)."""
        if self.model_ is None:
            return np.tile(self.prior_, (features.shape[0], 1))
        found = np.zeros((features.shape[0], len(self.prior_)))
        found[:, self.present_] = self.model_.predict_proba(features)
        return unbalanced(found, self.prior_, self.balance)

    def coefficients(self) -> Floats:
        """Return the weight of every feature for each of the cohorts `present_`, shape (present, f)."""
        assert self.model_ is not None  # noqa: S101  (there is one when two cohorts are present)
        found = self.model_.coef_
        return np.asarray(np.vstack([-found[0], found[0]]) if len(found) == 1 else found)

    def contributions(self, features: Any) -> Contributions:
        """Return coefficient times value of one row's features, shape (1, f), for the cohorts `present_`."""
        if self.model_ is None:
            return Contributions(NOTHING, np.zeros((0, 1)), np.zeros(1), np.zeros(1))
        row = np.asarray(features.toarray() if hasattr(features, "toarray") else features, dtype=np.float64)[0]
        coefficients, base = self.coefficients(), self.model_.intercept_
        if len(base) == 1:
            coefficients, base = coefficients / 2, base * HALVES
        margins = self.margins(features)[0]
        return Contributions(LOG_ODDS, (coefficients * row).T, base, margins, tuple(self.present_.tolist()))

    def margins(self, features: Any) -> Floats:
        """Return the margins of the cohorts `present_`, shape (n, present), whose softmax are the probabilities."""
        assert self.model_ is not None  # noqa: S101  (there is one when two cohorts are present)
        found = self.model_.decision_function(features)
        return np.asarray(found[:, None] * HALVES if found.ndim == 1 else found)

    def from_margins(self, margins: Floats) -> Floats:
        """Return the probabilities that margins stand for, shape (n, k)."""
        if self.model_ is None:
            return np.tile(self.prior_, (len(margins), 1))
        found = np.zeros((len(margins), len(self.prior_)))
        found[:, self.present_] = softmax(margins, axis=1)
        return unbalanced(found, self.prior_, self.balance)


class Trees(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # sklearn has no types
    """Gradient-boosted trees on the multinomial log loss (XGBoost ``multi:softprob``).

    Parameters
    ----------
    trees, depth, learning_rate, min_child_weight, subsample, colsample, reg_lambda
        XGBoost's parameters.
    balance
        As in `Linear`.
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
        balance: float,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.trees, self.depth, self.learning_rate, self.min_child_weight = (
            trees,
            depth,
            learning_rate,
            min_child_weight,
        )
        self.subsample, self.colsample, self.reg_lambda, self.balance = subsample, colsample, reg_lambda, balance
        self.seed, self.device = seed, device

    def fit(self, features: Any, y: Labels) -> Self:
        """Learn from features, shape (n, f)."""
        import xgboost

        rows = redistributed(y)
        self.prior_ = rows.shares
        data = xgboost.DMatrix(features[rows.rows], rows.codes, weight=rows.balanced(self.balance))
        params = {"objective": "multi:softprob", "num_class": len(self.prior_), **tree_params(self)}
        self.booster_ = xgboost.train(params, data, num_boost_round=self.trees)
        return self

    def predict_proba(self, features: Any) -> Floats:
        """Return probabilities, shape (n, k)."""
        import xgboost

        self.booster_.set_param({"device": compute_device(self.device)})
        found = self.booster_.predict(xgboost.DMatrix(features)).astype(np.float64)
        return unbalanced(found.reshape(-1, len(self.prior_)), self.prior_, self.balance)

    def contributions(self, features: Any) -> Contributions:
        """Return the SHAP values of one row's features, shape (1, f), for every cohort."""
        values, margins = shap_values(self.booster_, features), tree_margins(self.booster_, features)[0]
        return Contributions(LOG_ODDS, values[:-1], values[-1], margins, tuple(range(len(self.prior_))))

    def margins(self, features: Any) -> Floats:
        """Return the margins of the cohorts, shape (n, k), whose softmax are the probabilities."""
        return tree_margins(self.booster_, features)

    def from_margins(self, margins: Floats) -> Floats:
        """Return the probabilities that margins stand for, shape (n, k)."""
        return unbalanced(softmax(margins, axis=1), self.prior_, self.balance)


def shap_values(booster: Any, features: Any) -> Floats:
    """Return the SHAP values of one row, the base last, shape (f + 1, m)."""
    import xgboost

    booster.set_param({"device": "cpu"})  # one row
    found = booster.predict(xgboost.DMatrix(features), pred_contribs=True, strict_shape=True)
    return np.asarray(found[0].T, dtype=np.float64)


def tree_margins(booster: Any, features: Any) -> Floats:
    """Return what trees sum to, shape (n, m)."""
    import xgboost

    booster.set_param({"device": "cpu"})
    found = booster.predict(xgboost.DMatrix(features), output_margin=True, strict_shape=True)
    return np.asarray(found, dtype=np.float64)


def tree_params(model: Any) -> dict[str, Any]:
    """Return XGBoost's names of the parameters that estimators with trees share."""
    return {
        "tree_method": "hist",
        "device": compute_device(model.device),
        "seed": model.seed,
        "max_depth": model.depth,
        "eta": model.learning_rate,
        "min_child_weight": model.min_child_weight,
        "subsample": model.subsample,
        "colsample_bytree": model.colsample,
        "lambda": model.reg_lambda,
    }


def unbalanced(found: Floats, prior: Floats, balance: float) -> Floats:
    """Return probabilities as they are without the weights of `Weighted.balanced`.

    A model of weighted rows gives p(cohort | x) times the cohort's weight, up to a factor of the row.

    Parameters
    ----------
    found
        Shape (n, k).
    prior
        Shares of the cohorts that the weights came from, shape (k,).
    """
    scaled = np.maximum(found, 1e-12) * prior**balance
    return np.asarray((1 - DOUBT) * scaled / scaled.sum(axis=1, keepdims=True) + DOUBT * prior)
