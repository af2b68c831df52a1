"""Freeze the holdout and lay out the folds before it."""

from xflow.errors import ConfigInvalid
from xflow.pipeline import AnyPipeline
from xflow.ports import FeatureStore
from xflow.refs import FeatureSetRef, FoldPlan
from xflow.steps.kinds import model_kind


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
        The pipeline has no such target.
    ContractViolated
        The data do not allow a holdout and a fold, or there is nothing to learn.
    """
    if target not in pipeline.targets:
        raise ConfigInvalid(f"{pipeline.name} has no target {target!r}; it has {', '.join(pipeline.targets)}")
    return model_kind(pipeline).plan(features, target, horizon, trials, feature_store)
