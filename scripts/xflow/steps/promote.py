"""Register a fitted model, judge it beside the champion on one holdout, and move the alias."""

import numpy as np

from xflow.domain import promotion
from xflow.domain.forecaster import Forecaster
from xflow.domain.metrics import per_series
from xflow.domain.panel import Panel
from xflow.errors import ForecastNotFinite
from xflow.pipeline import Pipeline
from xflow.ports import FeatureStore, Mart, ModelRegistry
from xflow.refs import FittedModel, FoldPlan, ModelVersionRef, Promotion, RunKey
from xflow.steps.champion import mismatch
from xflow.steps.read_panel import read_panel


def register(
    key: RunKey, pipeline: Pipeline, plan: FoldPlan, fitted: FittedModel, git_commit: str, *, registry: ModelRegistry
) -> ModelVersionRef:
    """Register the fitted model as a new version that carries its origin in tags."""
    tags = {
        "run_key": str(key),
        "holdout_hash": plan.holdout_hash,
        "feature_set": plan.feature_set.id,
        "git_commit": git_commit,
    }
    version = registry.register(
        pipeline.name, fitted.mlflow_run_id, fitted.model_uri, tags, _description(pipeline, plan, fitted)
    )
    return version.model_copy(update={"metrics": fitted.metrics})


def judge_and_promote(
    key: RunKey,
    pipeline: Pipeline,
    plan: FoldPlan,
    version: ModelVersionRef,
    *,
    feature_store: FeatureStore,
    registry: ModelRegistry,
    mart: Mart,
) -> Promotion:
    """Score champion and challenger on the plan's holdout, and promote by `promotion.decide`.

    Both models are loaded as registered and forecast the same holdout steps from the same history.
    A champion that the pipeline's file has left behind, or that cannot forecast this input, gives way
    to the challenger: predictions would fail with it, and no training could ever replace it.
    A version that is already the champion stays it: a repeated run changes nothing.
    """
    champion = registry.champion(pipeline.name)
    if champion is not None and champion.version == version.version:
        reason, promoted, figures = "this version is the champion already", True, dict[str, float]()
    else:
        panel, _ = read_panel(feature_store, plan.feature_set)
        new = _errors(registry.load(version), panel, plan.horizon, pipeline)
        old, absent = _champion_errors(champion, panel, plan.horizon, pipeline, registry)
        decision = promotion.decide(old, new, pipeline.model.metric, absent)
        reason, promoted, figures = decision.reason, decision.promote, decision.figures
        registry.challenge(version, reason, figures)
        if promoted:
            registry.promote(version, champion)
    holder = version if promoted or champion is None else champion
    facts = {
        "state": "success",
        "message": reason,
        "model_name": version.name,
        "model_version": version.version,
        "metrics": {**version.metrics, **figures},
    }
    mart.note_run(key, facts)
    return Promotion(
        name=version.name,
        version=version.version,
        champion=holder.version,
        promoted=promoted,
        reason=reason,
        figures=figures,
    )


def _description(pipeline: Pipeline, plan: FoldPlan, fitted: FittedModel) -> str:
    """Return what a version is and how good, as Markdown for the registry's page."""
    model, series = pipeline.model, plan.feature_set.series
    members = ", ".join(f"{name} {weight:.0%}" for name, weight in fitted.weights.items())
    figures = [
        f"- {part} {model.metric}: {fitted.metrics.get(f'{part}_{model.metric}', np.nan):.4f} "
        f"(floor {model.floor}: {fitted.metrics.get(f'{part}_{model.metric}_floor', np.nan):.4f})"
        for part in ("backtest", "holdout")
    ]
    steps = f"{plan.horizon} steps of frequency {pipeline.contract.frequency}"
    return "\n".join(
        [f"{members}; {steps}, fitted on {series} series without their last {plan.horizon} values", "", *figures]
    )


def _champion_errors(
    champion: ModelVersionRef | None, panel: Panel, horizon: int, pipeline: Pipeline, registry: ModelRegistry
) -> tuple[np.ndarray | None, str]:
    """Return the champion's errors, or None, and why there is none to compare with."""
    if champion is None:
        return None, "first model"
    model = registry.load(champion)
    left_behind = mismatch(model, pipeline)
    if left_behind is None:
        try:
            return _errors(model, panel, horizon, pipeline), ""
        except ForecastNotFinite as error:
            left_behind = str(error)
    return None, f"replaces version {champion.version}, which cannot serve any more ({left_behind})"


def _errors(model: Forecaster, panel: Panel, horizon: int, pipeline: Pipeline) -> np.ndarray:
    """Return each series' error on the last `horizon` steps, shape (n,)."""
    history, actual = panel.split_last(horizon)
    made = model.forecast(history, horizon)
    return per_series(pipeline.model.metric, actual, made.mean, history, pipeline.model.seasonality)
