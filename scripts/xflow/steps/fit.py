"""Fit the selected model on everything before the holdout, and log it with its figures and pictures."""

import math
from collections.abc import Mapping

from xflow.origin import Origin
from xflow.pipeline import AnyPipeline
from xflow.ports import FeatureStore, ModelRegistry, ObjectStore
from xflow.refs import CheckedInput, FittedModel, FoldPlan, RunKey, Selection
from xflow.steps.drift_reference import reference_file
from xflow.steps.kept_arrays import kept
from xflow.steps.kinds import model_kind
from xflow.steps.kinds.holdout import table_bytes
from xflow.steps.manifest import HOLDOUT, MANIFEST, made_manifest


def fit(
    key: RunKey,
    pipeline: AnyPipeline,
    plan: FoldPlan,
    selection: Selection,
    code: Mapping[str, str],
    *,
    checked: CheckedInput,
    origin: Origin,
    store: ObjectStore,
    feature_store: FeatureStore,
    registry: ModelRegistry,
) -> FittedModel:
    """Fit the members without the holdout, score the model on it, log all of that with the tags `code`.

    Parameters
    ----------
    checked, origin
        The input, and the code and machine, that the model's manifest names.
    """
    kind = model_kind(pipeline)
    oof = {member.name: kept(store, member.oof) for member in selection.members}
    fitted = kind.fit(kind.data(plan, feature_store), plan, selection, oof)
    metrics = {
        f"backtest_{selection.metric}": selection.score,
        f"backtest_{selection.metric}_floor": selection.floor.score,
        **{name: value for name, value in fitted.metrics.items() if math.isfinite(value)},
    }
    run_id = registry.open_run(key, {}, {**code, "kind": "train"}, plan.target)
    manifest = made_manifest(key, pipeline, checked, plan, selection, metrics, fitted.holdout, origin)
    documents = {
        MANIFEST: manifest.document(),
        "selection": selection.model_dump(mode="json"),
        "plan": plan.model_dump(mode="json"),
        "pipeline": pipeline.model_dump(mode="json"),
    }
    reference = reference_file(pipeline, fitted.model, plan.feature_set, checked, feature_store)
    files = {HOLDOUT: table_bytes(fitted.holdout), **reference}
    uri = registry.log_model(run_id, fitted.model, fitted.example, metrics, fitted.figures, documents, files)
    weights = dict(zip((member.name for member in selection.members), selection.weights, strict=True))
    return FittedModel(mlflow_run_id=run_id, model_uri=uri, metrics=metrics, weights=weights)
