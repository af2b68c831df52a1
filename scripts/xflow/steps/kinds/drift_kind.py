"""What differs between kinds of pipelines in the drift gate."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pandas as pd

from xflow.domain.drift import Column, Finding
from xflow.domain.drift_sample import EVERY
from xflow.pipeline import AnyPipeline, Pipeline
from xflow.ports import FeatureStore
from xflow.refs import CheckedInput, FeatureSetRef


@dataclass(frozen=True)
class Sample:
    """What was drawn of a feature set.

    Attributes
    ----------
    data
        The kind's own.
    names
        All series of the set; none of vacancies.
    within
        Place in the draw up to which the sample is everyone; see `xflow.domain.drift_sample`.
    values, observed
        Values of the set, and rows of the input behind them; 0 where that says nothing.
    """

    data: Any
    names: Sequence[str] = ()
    within: int = EVERY
    values: int = 0
    observed: int = 0


@dataclass(frozen=True)
class Reference:
    """How the training looked to a model: a row an entity, as `DriftKind.profile` makes them, and facts beside it."""

    frame: pd.DataFrame
    facts: dict[str, Any] = field(default_factory=dict)


class DriftKind(Protocol):
    """What the gate looks at."""

    def sample(self, ref: FeatureSetRef, checked: CheckedInput | None, features: FeatureStore, limit: int) -> Sample:
        """Draw at most `limit` entities of a ready feature set, the same ones of the same set at any time."""

    def profile(self, sample: Sample, model: Any) -> Reference:
        """Describe a sample, and what a model predicts of it that it did not learn from."""

    def columns(self, model: Any) -> tuple[Column, ...]:
        """Return the columns of the profile that are compared."""

    def against(self, reference: Reference, current: Reference, sample: Sample) -> tuple[pd.DataFrame, list[Finding]]:
        """Return the current rows as they compare with the training's, and what is counted over all entities."""


def drift_kind(pipeline: AnyPipeline) -> DriftKind:
    """Return what the gate looks at in the inputs and predictions of a pipeline."""
    if isinstance(pipeline, Pipeline):
        from xflow.steps.kinds.series_drift import SeriesDrift

        return SeriesDrift()
    from xflow.steps.kinds.cohort_drift import CohortDrift

    return CohortDrift()
