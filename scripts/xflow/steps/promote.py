"""Register a fitted model, judge it beside the champion on one holdout, move the alias, close the run."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from xflow.domain import promotion
from xflow.errors import ForecastNotFinite
from xflow.pipeline import AnyPipeline
from xflow.ports import FeatureStore, Mart, ModelRegistry
from xflow.refs import FittedModel, FoldPlan, ModelVersionRef, Promotion, RunKey
from xflow.steps.kinds import ModelKind, model_kind


def register(
    key: RunKey,
    pipeline: AnyPipeline,
    plan: FoldPlan,
    fitted: FittedModel,
    code: Mapping[str, str],
    *,
    registry: ModelRegistry,
) -> ModelVersionRef:
    """Register the fitted model as a new version that carries its origin in tags, `code` among them."""
    tags = {
        "run_key": str(key),
        "holdout_hash": plan.holdout_hash,
        "feature_set": plan.feature_set.id,
        **code,
    }
    name = pipeline.model_name(plan.target)
    version = registry.register(
        name, fitted.mlflow_run_id, fitted.model_uri, tags, _description(pipeline, plan, fitted)
    )
    return version.model_copy(update={"metrics": fitted.metrics})


def judge_and_promote(
    pipeline: AnyPipeline,
    plan: FoldPlan,
    version: ModelVersionRef,
    *,
    feature_store: FeatureStore,
    registry: ModelRegistry,
) -> Promotion:
    """Score champion and challenger on the plan's holdout, and promote by `promotion.decide`.

    Both models are loaded as registered and predict the same holdout from the same history.
    A champion that the pipeline's file has left behind, or that cannot predict this input, gives way
    to the challenger: predictions would fail with it, and no training could ever replace it.
    A version that is already the champion stays it: a repeated run changes nothing.
    """
    champion = registry.champion(version.name)
    if champion is not None and champion.version == version.version:
        reason, promoted, figures = "this version is the champion already", True, dict[str, float]()
    else:
        kind = model_kind(pipeline)
        data = kind.data(plan, feature_store)
        rival = None if champion is None else registry.load(champion)
        stays = None if rival is None else kind.outranks(rival, plan)
        if stays is None:
            new = kind.errors(registry.load(version), data)
            old, absent = _champion_errors(kind, champion, rival, plan, data)
            decision = promotion.decide(old, new, pipeline.model.metric, absent, kind.unit, kind.fewest)
        else:
            decision = promotion.Decision(False, stays)
        reason, promoted, figures = decision.reason, decision.promote, decision.figures
        registry.challenge(version, reason, figures)
        if promoted:
            registry.promote(version, champion)
    holder = version if promoted or champion is None else champion
    return Promotion(
        name=version.name,
        version=version.version,
        target=plan.target,
        champion=holder.version,
        promoted=promoted,
        reason=reason,
        figures=figures,
        metrics=version.metrics,
    )


def close_run(key: RunKey, promotions: list[Promotion], *, mart: Mart) -> None:
    """Write into the ledger what a training ended in: one model a target, its figures, and what was decided."""
    figures = {
        f"{each.target}_{name}".lstrip("_"): value
        for each in promotions
        for name, value in {**each.metrics, **each.figures}.items()
    }
    facts = {
        "state": "success",
        "message": "; ".join(f"{each.target}: {each.reason}".removeprefix(": ") for each in promotions),
        "model_name": ", ".join(each.name for each in promotions),
        "model_version": ", ".join(each.version for each in promotions),
        "metrics": figures,
    }
    mart.note_run(key, facts)


def _description(pipeline: AnyPipeline, plan: FoldPlan, fitted: FittedModel) -> str:
    """Return what a version is and how good, as Markdown for the registry's page."""
    model = pipeline.model
    figures = [
        f"- {part} {model.metric}: {fitted.metrics.get(f'{part}_{model.metric}', math.nan):.4f} "
        f"(floor {model.floor}: {fitted.metrics.get(f'{part}_{model.metric}_floor', math.nan):.4f})"
        for part in ("backtest", "holdout")
    ]
    return "\n".join([model_kind(pipeline).description(plan, fitted), "", *figures])


def _champion_errors(
    kind: ModelKind, champion: ModelVersionRef | None, model: Any, plan: FoldPlan, data: Any
) -> tuple[np.ndarray | None, str]:
    """Return the champion's errors, or None, and why there is none to compare with."""
    if champion is None:
        return None, "first model"
    left_behind = kind.mismatch(model, plan)
    if left_behind is None:
        try:
            return kind.errors(model, data), ""
        except ForecastNotFinite as error:
            left_behind = str(error)
    return None, f"replaces version {champion.version}, which cannot serve any more ({left_behind})"
