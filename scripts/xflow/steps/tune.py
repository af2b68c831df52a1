"""Tune one candidate and score it by the folds."""

import time
from typing import Any

from xflow.errors import ConfigInvalid
from xflow.origin import Origin
from xflow.pipeline import AnyPipeline
from xflow.ports import FeatureStore, ObjectStore
from xflow.refs import CandidateScore, FoldPlan, RunKey
from xflow.steps.kept_arrays import keep
from xflow.steps.kinds import Progress, model_kind
from xflow.steps.reuse import ScoreCache, score_fingerprint


def tune(
    key: RunKey,
    pipeline: AnyPipeline,
    plan: FoldPlan,
    name: str,
    *,
    store: ObjectStore,
    feature_store: FeatureStore,
    progress: Progress | None = None,
    origin: Origin | None = None,
    force: bool = False,
) -> CandidateScore:
    """Search the candidate's parameters, and keep the out-of-fold predictions of the best ones.

    Parameters
    ----------
    name
        One of the pipeline's candidates for the plan's target.
    progress
        Called with the number of trials done and planned.
    origin
        Code and machine that compute. A score that they gave before, of the same features and configuration,
        is taken over, and a new one is kept for later runs. None: neither.
    force
        Compute in any case.

    Raises
    ------
    ConfigInvalid
        The target has no such candidate, or the candidate no such parameter.
    """
    candidates = pipeline.candidates(plan.target)
    candidate = next((each for each in candidates if each.name == name), None)
    if candidate is None:
        names = ", ".join(each.name for each in candidates)
        raise ConfigInvalid(f"{pipeline.model_name(plan.target)} has no candidate {name!r}; it has {names}")
    cache = None if origin is None else _cache(store, pipeline, plan, candidate, origin)
    if cache is not None and not force and (found := cache.find(key)):
        return found
    kind = model_kind(pipeline)
    data = kind.data(plan, feature_store)
    started = time.monotonic()
    result = kind.tune(candidate, data, plan, progress)
    location = f"{key.work_prefix}oof/{plan.target}/{name}.npy".replace("//", "/")
    score = CandidateScore(
        name=name,
        kind=candidate.kind,
        params=result.params,
        score=result.score,
        fold_metrics=result.fold_scores,
        tried=result.tried,
        fell_back=result.fell_back,
        oof=keep(store, location, result.oof) if cache is None else cache.keep_array(result.oof),
        seconds=round(time.monotonic() - started, 3),
    )
    if cache is not None:
        cache.keep(key, score)
    return score


def _cache(store: ObjectStore, pipeline: AnyPipeline, plan: FoldPlan, candidate: Any, origin: Origin) -> ScoreCache:
    return ScoreCache(store, pipeline.name, score_fingerprint(pipeline, plan, candidate, origin))
