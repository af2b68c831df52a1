"""Tune one candidate and score it by the folds."""

import time

from xflow.errors import ConfigInvalid
from xflow.pipeline import AnyPipeline
from xflow.ports import FeatureStore, ObjectStore
from xflow.refs import CandidateScore, FoldPlan, RunKey
from xflow.steps.kept_arrays import keep
from xflow.steps.kinds import Progress, model_kind


def tune(
    key: RunKey,
    pipeline: AnyPipeline,
    plan: FoldPlan,
    name: str,
    *,
    store: ObjectStore,
    feature_store: FeatureStore,
    progress: Progress | None = None,
) -> CandidateScore:
    """Search the candidate's parameters, and keep the out-of-fold predictions of the best ones.

    Parameters
    ----------
    name
        One of the pipeline's candidates for the plan's target.
    progress
        Called with the number of trials done and planned.

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
    kind = model_kind(pipeline)
    data = kind.data(plan, feature_store)
    started = time.monotonic()
    result = kind.tune(candidate, data, plan, progress)
    return CandidateScore(
        name=name,
        kind=candidate.kind,
        params=result.params,
        score=result.score,
        fold_metrics=result.fold_scores,
        tried=result.tried,
        oof=keep(store, f"{key.work_prefix}oof/{plan.target}/{name}.npy".replace("//", "/"), result.oof),
        seconds=round(time.monotonic() - started, 3),
    )
