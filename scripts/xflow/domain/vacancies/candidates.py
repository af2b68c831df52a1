"""The models that may learn cohorts: one sklearn Pipeline each, from features frame to probabilities."""

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from xflow.candidate_check import parameters
from xflow.candidate_params import EncodingParams
from xflow.domain.vacancies.classifiers import Linear, Majority, Trees
from xflow.domain.vacancies.cohorts import Labels
from xflow.domain.vacancies.encoding import encoder
from xflow.domain.vacancies.survival import Survival
from xflow.errors import ConfigInvalid, ForecastNotFinite

Floats = npt.NDArray[np.float64]
ESTIMATORS: dict[str, Any] = {"majority": Majority, "logistic": Linear, "xgb": Trees, "aft": Survival}
"""By kind; what an estimator takes beside the parameters of its kind comes from the setting."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What candidates of one target share.

    Attributes
    ----------
    texts, categories
        Columns of the features frame that they may see.
    boundaries
        Lower ends of the second and further cohorts, for those that predict days.
    device
        ``auto``, ``cpu`` or ``cuda``.
    """

    texts: tuple[str, ...]
    categories: tuple[str, ...] = ()
    boundaries: tuple[float, ...] = ()
    seed: int = 0
    device: str = "auto"


class Candidate:
    """One kind of model with its parameters.

    Attributes
    ----------
    kind
        ``majority``, ``logistic``, ``xgb`` or ``aft``.
    pipeline
        sklearn Pipeline of `encode` and `model`; everything that `fit` learns is in it.
    """

    def __init__(self, kind: str, pipeline: Pipeline) -> None:
        self.kind, self.pipeline = kind, pipeline

    def fit(self, frame: pd.DataFrame, labels: Labels) -> Self:
        """Learn from the usable rows of a features frame; return self."""
        rows = labels.usable
        encoded = self.pipeline["encode"].fit_transform(frame[rows])
        return self.fit_encoded(encoded, labels.take(rows))

    def fit_encoded(self, features: Any, labels: Labels) -> Self:
        """Learn from features that the encoder, fitted before, made of usable rows alone."""
        self.pipeline["model"].fit(features, labels)
        return self

    def probabilities(self, frame: pd.DataFrame) -> Floats:
        """Return the probability of every cohort, shape (n, k); rows sum to 1.

        Raises
        ------
        ForecastNotFinite
            One of them is NaN or infinite.
        """
        return check_finite(self.pipeline.predict_proba(frame), self.kind)


def build(kind: str, params: Mapping[str, Any], setting: Setting) -> Candidate:
    """Make an unfitted candidate.

    Parameters
    ----------
    params
        See `xflow.candidate_params`.

    Raises
    ------
    ConfigInvalid
        The kind is unknown, has no such parameter, or the parameter no such value.
    """
    if kind not in ESTIMATORS:
        raise ConfigInvalid(f"candidate kind {kind!r} is not one of {', '.join(ESTIMATORS)}")
    found, estimator = parameters(kind, params), ESTIMATORS[kind]
    taken = inspect.signature(estimator).parameters
    given = {name: value for name, value in (asdict(setting) | asdict(found)).items() if name in taken}
    return Candidate(kind, Pipeline([("encode", _encoder(found, setting)), ("model", estimator(**given))]))


def encoding_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a candidate's parameters that its encoder takes: equal ones encode alike."""
    return {field.name: params[field.name] for field in fields(EncodingParams) if field.name in params}


def check_finite(probabilities: Floats, model: str) -> Floats:
    """Return probabilities, shape (n, k), as they are.

    Raises
    ------
    ForecastNotFinite
        One of them is NaN or infinite.
    """
    broken = np.flatnonzero(~np.isfinite(probabilities).all(axis=1))
    if len(broken):
        raise ForecastNotFinite(
            f"{model}: no finite probabilities for {len(broken)} of {len(probabilities)} vacancies, such as rows "
            f"{broken[:5].tolist()}. Look at their texts and numbers, or take the candidate out of the pipeline."
        )
    return probabilities


def _encoder(found: Any, setting: Setting) -> Any:
    if not isinstance(found, EncodingParams):
        return FunctionTransformer()
    return encoder(setting.texts, setting.categories, found, setting.seed)
