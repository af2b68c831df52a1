"""Freeze the holdout and lay out the folds before it; what a training would fail by later is looked at first."""

import logging

from xflow.errors import ConfigInvalid
from xflow.pipeline import AnyPipeline, check_steps
from xflow.ports import FeatureStore
from xflow.refs import FeatureSetRef, FoldPlan
from xflow.steps.kinds import model_kind

log = logging.getLogger(__name__)


def plan(
    pipeline: AnyPipeline,
    features: FeatureSetRef,
    horizon: int | None,
    trials: int,
    *,
    target: str = "",
    feature_store: FeatureStore,
) -> FoldPlan:
    """Return the plan that every candidate of a target is tuned and judged by.

    Parameters
    ----------
    horizon
        Steps of the holdout, for series; the pipeline's when None.
    target
        One of the pipeline's targets.

    Raises
    ------
    ConfigInvalid
        The pipeline has no such target, or the horizon is out of bounds.
    ContractViolated
        The data do not allow a holdout and a fold, or there is nothing to learn.
    """
    if target not in pipeline.targets:
        raise ConfigInvalid(f"{pipeline.name} has no target {target!r}; it has {', '.join(pipeline.targets)}")
    check_steps(horizon)
    for warning in pipeline.warnings:
        log.warning("%s: %s", pipeline.name, warning)
    return model_kind(pipeline).plan(features, target, horizon, trials, feature_store)
