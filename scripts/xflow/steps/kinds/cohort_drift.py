"""Drift of vacancies; see `xflow.domain.drift_vacancies`."""

import numpy as np
import pandas as pd

from xflow.domain import drift_vacancies
from xflow.domain.drift import Column, Finding
from xflow.domain.vacancies.model import CohortModel
from xflow.ports import FeatureStore
from xflow.refs import CheckedInput, FeatureSetRef
from xflow.steps.kinds.cohort_data import identities, read_frame
from xflow.steps.kinds.drift_kind import Reference, Sample

TEXT = 2
"""Place of the text among a vacancy's identities."""


class CohortDrift:
    """What the gate looks at in vacancies; see `xflow.steps.kinds.drift_kind.DriftKind`."""

    def sample(
        self,
        ref: FeatureSetRef,
        checked: CheckedInput | None,  # noqa: ARG002  # every vacancy is a row
        features: FeatureStore,
        limit: int,
    ) -> Sample:
        """Draw one vacancy an employer, by their ids."""
        return Sample(drift_vacancies.sample(read_frame(features, ref), limit))

    def profile(self, sample: Sample, model: CohortModel) -> Reference:
        """Describe each vacancy, with the prediction where the model has not learned from its text."""
        learned = np.isin(identities(sample.data)[:, TEXT], np.array([*model.learned], dtype=np.uint64))
        return Reference(drift_vacancies.profile(sample.data, model, learned))

    def columns(self, model: CohortModel) -> tuple[Column, ...]:
        """Return the figures of vacancies that are compared."""
        return drift_vacancies.columns(model)

    def against(
        self,
        reference: Reference,  # noqa: ARG002  # vacancies come and go
        current: Reference,
        sample: Sample,  # noqa: ARG002
    ) -> tuple[pd.DataFrame, list[Finding]]:
        """Return the rows as they are."""
        return current.frame, []
