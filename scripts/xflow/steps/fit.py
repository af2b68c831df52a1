"""Fit the selected model on everything before the holdout, and log it with its figures and pictures."""

import math
from collections.abc import Mapping

from xflow.pipeline import AnyPipeline
from xflow.ports import FeatureStore, ModelRegistry, ObjectStore
from xflow.refs import FittedModel, FoldPlan, RunKey, Selection
from xflow.steps.kept_arrays import kept
from xflow.steps.kinds import model_kind


def fit(
    key: RunKey,
    pipeline: AnyPipeline,
    plan: FoldPlan,
    selection: Selection,
    code: Mapping[str, str],
    *,
    store: ObjectStore,
    feature_store: FeatureStore,
    registry: ModelRegistry,
) -> FittedModel:
    """Fit the members without the holdout, score the model on it, log all of that with the tags `code`."""
    kind = model_kind(pipeline)
    oof = {member.name: kept(store, member.oof) for member in selection.members}
    fitted = kind.fit(kind.data(plan, feature_store), plan, selection, oof)
    metrics = {
        f"backtest_{selection.metric}": selection.score,
        f"backtest_{selection.metric}_floor": selection.floor.score,
        **{name: value for name, value in fitted.metrics.items() if math.isfinite(value)},
    }
    run_id = registry.open_run(key, {}, {**code, "kind": "train"}, plan.target)
    documents = {
        "selection": selection.model_dump(mode="json"),
        "plan": plan.model_dump(mode="json"),
        "pipeline": pipeline.model_dump(mode="json"),
    }
    uri = registry.log_model(run_id, fitted.model, fitted.example, metrics, fitted.figures, documents, {})
    weights = dict(zip((member.name for member in selection.members), selection.weights, strict=True))
    return FittedModel(mlflow_run_id=run_id, model_uri=uri, metrics=metrics, weights=weights)
