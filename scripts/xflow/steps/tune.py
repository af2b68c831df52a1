"""Tune one candidate and score it by a rolling-origin backtest."""

import time
from collections.abc import Callable

from xflow.domain import tuning
from xflow.errors import ConfigInvalid
from xflow.pipeline import Pipeline
from xflow.ports import FeatureStore, ObjectStore
from xflow.refs import CandidateScore, FoldPlan, RunKey
from xflow.steps.training_data import keep_forecasts, setting, training_data


def tune(
    key: RunKey,
    pipeline: Pipeline,
    plan: FoldPlan,
    name: str,
    *,
    store: ObjectStore,
    feature_store: FeatureStore,
    progress: Callable[[int, int], None] | None = None,
) -> CandidateScore:
    """Search the candidate's parameters, and keep the out-of-fold forecasts of the best ones.

    Parameters
    ----------
    name
        One of the pipeline's candidates.
    progress
        Called with the number of trials done and planned.

    Raises
    ------
    ConfigInvalid
        The pipeline has no such candidate, or the candidate no such parameter.
    """
    candidate = next((each for each in pipeline.model.candidates if each.name == name), None)
    if candidate is None:
        names = ", ".join(each.name for each in pipeline.model.candidates)
        raise ConfigInvalid(f"{pipeline.name} has no candidate {name!r}; it has {names}")
    data = training_data(plan, feature_store)
    started = time.monotonic()
    result = tuning.tune(
        candidate.kind,
        candidate.params,
        candidate.search,
        panel=data.history,
        folds=data.folds,
        metric=pipeline.model.metric,
        setting=setting(pipeline, plan),
        trials=plan.trials,
        progress=progress,
    )
    return CandidateScore(
        name=name,
        kind=candidate.kind,
        params=result.params,
        score=result.score,
        fold_metrics=result.fold_scores,
        tried=result.tried,
        oof=keep_forecasts(store, f"{key.work_prefix}oof/{name}.npy", result.oof),
        seconds=round(time.monotonic() - started, 3),
    )
