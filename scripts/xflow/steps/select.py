"""Choose the model's members by their out-of-fold predictions, and hold them against the floor."""

import hashlib
import json
import logging
from collections.abc import Mapping

from xflow.errors import FloorNotBeaten
from xflow.pipeline import AnyPipeline
from xflow.ports import FeatureStore, ModelRegistry, ObjectStore
from xflow.refs import CandidateScore, FoldPlan, RunKey, Selection
from xflow.steps.kept_arrays import kept
from xflow.steps.kinds import model_kind

log = logging.getLogger(__name__)


def select(
    key: RunKey,
    pipeline: AnyPipeline,
    plan: FoldPlan,
    scores: list[CandidateScore],
    code: Mapping[str, str],
    *,
    store: ObjectStore,
    feature_store: FeatureStore,
    registry: ModelRegistry,
    code_hash: str = "",
) -> Selection:
    """Log every candidate to the registry, then choose one or blend several.

    Parameters
    ----------
    code
        Tags that say which code this is.
    code_hash
        Names the code that computes: a run that is repeated by other code makes a model of its own.

    Raises
    ------
    FloorNotBeaten
        The selected model is not better than the floor in the backtest. The candidates' figures
        are in the registry all the same.
    """
    model, kind = pipeline.model, model_kind(pipeline)
    floor = next(score for score in scores if score.name == model.floor)
    sources = {score.reused_from for score in scores} | {plan.feature_set.id} - {str(key)}
    reused = {"reused_from": ", ".join(sorted(sources - {""}))} if any(sources) else {}
    run_id = registry.open_run(
        key, _params(pipeline, plan, code_hash), {**code, **reused, "kind": "train"}, plan.target
    )
    for score in scores:
        source = {"reused_from": score.reused_from} if score.reused_from else {}
        params = {"kind": score.kind, **score.params, **source}
        metrics = {f"backtest_{model.metric}": score.score, "tried": score.tried, "seconds": score.seconds}
        if score.fell_back:
            log.warning("%s: candidate %s fell back %d times in its folds", key, score.name, score.fell_back)
            metrics["fell_back"] = score.fell_back
        registry.log_candidate(run_id, score.name, params, metrics, score.fold_metrics)
    oof = {score.name: kept(store, score.oof) for score in scores}
    weights, best = kind.combine(oof, kind.data(plan, feature_store))
    if not best < floor.score:
        raise FloorNotBeaten(
            f"{pipeline.model_name(plan.target)}: the best of {len(scores)} candidates has a backtest {model.metric} "
            f"of {best:.4f}, the floor {floor.name} has {floor.score:.4f}. No model was registered. Add candidates, "
            f"trials or history, and see the MLflow run {run_id} for the figures of every fold."
        )
    return Selection(
        members=tuple(score for score in scores if score.name in weights),
        weights=tuple(weights[score.name] for score in scores if score.name in weights),
        metric=model.metric,
        score=best,
        floor=floor,
        scores={score.name: score.score for score in scores},
    )


def _params(pipeline: AnyPipeline, plan: FoldPlan, code_hash: str) -> dict[str, object]:
    model = pipeline.model
    return {
        **({"code_hash": code_hash} if code_hash else {}),
        **model_kind(pipeline).params(plan),
        "folds": plan.folds,
        "trials": plan.trials,
        "seed": model.seed,
        "entities": plan.feature_set.entities,
        "values": plan.feature_set.rows,
        "feature_set": plan.feature_set.id,
        "feature_checksum": plan.feature_set.checksum,
        "configuration": hashlib.sha256(model.model_dump_json().encode()).hexdigest(),
        "holdout_hash": plan.holdout_hash,
        "candidates": json.dumps([candidate.name for candidate in pipeline.candidates(plan.target)]),
    }
