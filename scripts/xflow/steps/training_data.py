"""What the training steps share: the history before the holdout, its folds, forecasts kept between tasks."""

import io
from dataclasses import dataclass

import numpy as np

from xflow.domain.backtest import Folds, plan_folds
from xflow.domain.candidate import Setting
from xflow.domain.panel import Panel
from xflow.pipeline import Pipeline
from xflow.ports import FeatureStore, ObjectStore
from xflow.refs import FoldPlan, ObjectRef
from xflow.steps.read_panel import read_panel


@dataclass(frozen=True)
class TrainingData:
    """One plan's data.

    Attributes
    ----------
    history
        Every series without its holdout: all that may be learned from.
    actual
        The holdout, shape (n, horizon).
    folds
        Rolling origins within `history`.
    """

    history: Panel
    actual: np.ndarray
    folds: Folds


def training_data(plan: FoldPlan, feature_store: FeatureStore) -> TrainingData:
    """Read the plan's feature set and split it as planned."""
    panel, _ = read_panel(feature_store, plan.feature_set)
    history, actual = panel.split_last(plan.horizon)
    return TrainingData(history, actual, plan_folds(history.lengths, plan.horizon, plan.folds, plan.min_train))


def setting(pipeline: Pipeline, plan: FoldPlan) -> Setting:
    """Return what all candidates of a plan share."""
    model = pipeline.model
    return Setting(model.seasonality, plan.horizon, model.seed, model.device)


def keep_forecasts(store: ObjectStore, location: str, forecasts: np.ndarray) -> ObjectRef:
    """Write out-of-fold forecasts as an object for later steps of the run."""
    buffer = io.BytesIO()
    np.save(buffer, forecasts, allow_pickle=False)
    return store.put(location, buffer.getvalue())


def kept_forecasts(store: ObjectStore, ref: ObjectRef) -> np.ndarray:
    """Read out-of-fold forecasts back, shape (folds, n_series, horizon)."""
    forecasts: np.ndarray = np.load(io.BytesIO(store.get(ref)), allow_pickle=False)
    return forecasts
