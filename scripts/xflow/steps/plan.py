"""Freeze the holdout and lay out the rolling-origin folds before it."""

import hashlib

from xflow.domain.backtest import plan_folds
from xflow.domain.intervals import series_scale
from xflow.domain.panel import Panel
from xflow.errors import ContractViolated
from xflow.pipeline import Pipeline
from xflow.ports import FeatureStore
from xflow.refs import FeatureSetRef, FoldPlan
from xflow.steps.read_panel import read_panel


def plan(
    pipeline: Pipeline, features: FeatureSetRef, horizon: int, trials: int, *, feature_store: FeatureStore
) -> FoldPlan:
    """Return the plan that every candidate is tuned and judged by.

    The last `horizon` values of each series are the holdout: no candidate sees them before the
    promotion. Folds lie before it; a series takes part in a fold when enough history is left.

    Raises
    ------
    ContractViolated
        A series is too short to give up a holdout, none is long enough for a fold, or none varies.
    """
    panel, _ = read_panel(feature_store, features)
    min_train = pipeline.model.min_train or 2 * pipeline.model.seasonality + 1
    short = panel.ids[panel.lengths < horizon + min_train]
    if len(short):
        raise ContractViolated(
            f"{pipeline.name}: {len(short)} of {panel.n_series} series are shorter than the horizon of {horizon} and "
            f"{min_train} steps to train on (model.min_train; two seasons and one when not set): "
            f"{', '.join(short[:5])}. Raise contract.min_length to {horizon + min_train} so that they are rejected, "
            f"or set a smaller model.min_train or horizon."
        )
    if not series_scale(panel.head(horizon), pipeline.model.seasonality).any():
        raise ContractViolated(
            f"{pipeline.name}: all {panel.n_series} series are constant, or repeat one season of "
            f"{pipeline.model.seasonality} steps, before the last {horizon} values: there is nothing to learn and no "
            "error to scale by. Bring series that vary, or correct model.seasonality."
        )
    history = panel.head(horizon).lengths
    try:
        folds = plan_folds(history, horizon, pipeline.model.folds, min_train)
    except ValueError as error:
        raise ContractViolated(
            f"{pipeline.name}: no series is long enough for a backtest: the longest has {history.max()} values before "
            f"its holdout of {horizon}, one fold needs {min_train} to train on (model.min_train; two seasons and one "
            f"when not set) and {horizon} to forecast. Bring more history, or set a smaller model.min_train or horizon."
        ) from error
    return FoldPlan(
        feature_set=features,
        horizon=horizon,
        folds=len(folds.folds),
        min_train=min_train,
        trials=trials,
        holdout_hash=_hash(panel, horizon),
        series_scored=folds.scored,
    )


def _hash(panel: Panel, horizon: int) -> str:
    """Name the holdout by its content: ids, times and values."""
    _, actual = panel.split_last(horizon)
    content = hashlib.sha256("\0".join(panel.ids).encode())
    content.update(panel.ends.tobytes())
    content.update(actual.tobytes())
    return content.hexdigest()
