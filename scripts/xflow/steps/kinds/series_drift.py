"""Drift of series; see `xflow.domain.drift_series`."""

import pandas as pd

from xflow.columns import SERIES_ID
from xflow.domain import drift_series
from xflow.domain.drift import Column, Finding
from xflow.domain.drift_sample import draw, first
from xflow.domain.forecaster import Forecaster
from xflow.domain.panel import Panel
from xflow.ports import FeatureStore
from xflow.refs import CheckedInput, FeatureSetRef
from xflow.steps.kinds.drift_kind import Reference, Sample
from xflow.steps.kinds.read_panel import read_panel


class SeriesDrift:
    """What the gate looks at in series; see `xflow.steps.kinds.drift_kind.DriftKind`."""

    def sample(self, ref: FeatureSetRef, checked: CheckedInput | None, features: FeatureStore, limit: int) -> Sample:
        """Draw series by their names."""
        panel, _ = read_panel(features, ref)
        observed = checked.rows_accepted if checked else 0
        return self.drawn(panel, limit, observed)

    def drawn(self, panel: Panel, limit: int, observed: int = 0) -> Sample:
        """Draw series of a panel."""
        names = panel.ids.tolist()
        chosen, within = first(draw(names), limit)
        return Sample(panel.select(chosen), names, within, panel.total if observed else 0, observed)

    def profile(self, sample: Sample, model: Forecaster) -> Reference:
        """Describe each series with the forecast from its end, which no model has seen the outcome of."""
        share = max(1 - sample.observed / sample.values, 0.0) if sample.values else None
        return Reference(drift_series.profile(sample.data, model), {"within": str(sample.within), "filled": share})

    def columns(self, model: Forecaster) -> tuple[Column, ...]:  # noqa: ARG002  # one list for all models
        """Return the figures of series that are compared."""
        return drift_series.COLUMNS

    def against(self, reference: Reference, current: Reference, sample: Sample) -> tuple[pd.DataFrame, list[Finding]]:
        """Return the rows with each level's way since the training; new, vanished and filled in are counted."""
        trained = reference.frame[SERIES_ID].tolist()
        found = drift_series.membership(trained, sample.names, int(reference.facts["within"]))
        before = reference.facts.get("filled")
        if before is not None and sample.values:
            found.append(drift_series.filled(sample.values, sample.observed, before))
        return drift_series.known_again(reference.frame, current.frame), found
