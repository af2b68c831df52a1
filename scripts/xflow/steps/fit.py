"""Fit the selected model on everything before the holdout, and log it with its figures and pictures."""

from typing import Any

import numpy as np

from xflow.domain import ensemble, figures
from xflow.domain.candidate import build_candidate
from xflow.domain.forecaster import Forecast, Forecaster, fit_intervals
from xflow.domain.metrics import coverage, mean_error, per_series
from xflow.domain.panel import Panel
from xflow.pipeline import Pipeline
from xflow.ports import FeatureStore, ModelRegistry, ObjectStore
from xflow.refs import FittedModel, FoldPlan, RunKey, Selection
from xflow.steps.training_data import TrainingData, kept_forecasts, setting, training_data

METRICS = ("mase", "smape", "mae", "rmse")
EXAMPLE_SERIES = 2


def fit(
    key: RunKey,
    pipeline: Pipeline,
    plan: FoldPlan,
    selection: Selection,
    git_commit: str,
    *,
    store: ObjectStore,
    feature_store: FeatureStore,
    registry: ModelRegistry,
) -> FittedModel:
    """Fit members and intervals without the holdout, score the model on it, log all of that.

    The interval widths come from the out-of-fold residuals of the blend; their coverage, like the
    accuracy, is measured on the holdout.
    """
    model, data = pipeline.model, training_data(plan, feature_store)
    weights = dict(zip((member.name for member in selection.members), selection.weights, strict=True))
    oof = ensemble.blend({m.name: kept_forecasts(store, m.oof) for m in selection.members}, weights)
    members = {
        member.name: (weights[member.name], build_candidate(member.kind, member.params, setting(pipeline, plan)))
        for member in selection.members
    }
    intervals = fit_intervals(data.history, data.folds, oof, model.levels, model.seasonality)
    forecaster = Forecaster.fit(data.history, members, intervals, model.seasonality, plan.horizon)
    made = forecaster.forecast(data.history, plan.horizon)
    floor = build_candidate(selection.floor.kind, selection.floor.params, setting(pipeline, plan))
    naive = floor.fit(data.history).forecast(data.history, plan.horizon)
    metrics = _metrics(pipeline, data, made, naive, selection)
    run_id = registry.open_run(key, {}, {"git_commit": git_commit, "kind": "train"})
    uri = registry.log_model(
        run_id,
        forecaster,
        _example(data.history),
        metrics,
        _figures(pipeline, data, made, naive, selection),
        {
            "selection": selection.model_dump(mode="json"),
            "plan": plan.model_dump(mode="json"),
            "pipeline": pipeline.model_dump(mode="json"),
        },
    )
    return FittedModel(mlflow_run_id=run_id, model_uri=uri, metrics=metrics, weights=weights)


def _metrics(
    pipeline: Pipeline, data: TrainingData, made: Forecast, naive: np.ndarray, selection: Selection
) -> dict[str, float]:
    model = pipeline.model
    found = {
        f"backtest_{selection.metric}": selection.score,
        f"backtest_{selection.metric}_floor": selection.floor.score,
    }
    for metric in METRICS:
        errors = per_series(metric, data.actual, made.mean, data.history, model.seasonality)
        found[f"holdout_{metric}"] = mean_error(errors)
    errors = per_series(model.metric, data.actual, naive, data.history, model.seasonality)
    found[f"holdout_{model.metric}_floor"] = mean_error(errors)
    for k, level in enumerate(model.levels):
        found[f"holdout_coverage_{level * 100:.0f}"] = coverage(data.actual, made.bounds[2 * k], made.bounds[2 * k + 1])
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _figures(
    pipeline: Pipeline, data: TrainingData, made: Forecast, naive: np.ndarray, selection: Selection
) -> dict[str, Any]:
    model = pipeline.model
    errors = per_series(model.metric, data.actual, made.mean, data.history, model.seasonality)
    scale = figures.plot_scale(data.history, model.seasonality)
    chosen = {member.name for member in selection.members}
    return {
        "forecast_against_actual": figures.forecast_against_actual(
            data.history, data.actual, made, model.levels, errors, model.metric
        ),
        "error_by_horizon": figures.error_by_horizon(data.actual, made.mean, naive, scale, selection.floor.name),
        "residuals": figures.residuals(data.actual, made.mean, scale),
        "candidates": figures.candidate_scores(
            selection.scores, chosen, selection.floor.name, selection.score, model.metric
        ),
    }


def _example(history: Panel) -> Any:
    """Return a few short histories in the long form that the logged model takes."""
    return history.select(np.arange(min(EXAMPLE_SERIES, history.n_series))).tail(36).to_frame()
