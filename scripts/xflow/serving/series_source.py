"""The series that forecasts are asked for: read from the features that were published, or sent with the request."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from xflow.domain.arrow_types import local
from xflow.domain.panel import Panel
from xflow.errors import FeatureSetMissing
from xflow.pipeline import Pipeline
from xflow.ports import FeatureStore, SeriesBlock
from xflow.refs import FeatureSetRef
from xflow.serving.problems import Problem
from xflow.serving.schemas_series import Series
from xflow.steps.kinds.read_panel import panel_of
from xflow.steps.kinds.series_forecast import LAST_YEAR, leads

FRESH_SECONDS = 3.0
NAMED = 5
FIRST_YEAR = 1700
"""Of times that are sent; times are nanoseconds, which begin soon before."""


@dataclass(frozen=True, slots=True)
class Source:
    """Series to forecast.

    Attributes
    ----------
    facts, blocks
        As in a feature set; of series one at least.
    panel
        The same as models take them.
    lead
        Steps between each series' end and the origin of its forecast, shape (n,).
    feature_set, as_of
        Where they were read; None when they were sent.
    """

    facts: dict[str, str]
    blocks: list[SeriesBlock]
    panel: Panel
    lead: npt.NDArray[np.int64]
    feature_set: str | None = None
    as_of: str | None = None


class PublishedFeatures:
    """Reads series by id from the features of the pipeline's published predictions that know the newest values.

    A run that failed, was stopped or has not ended publishes nothing, and one of an earlier date, such as a backfill's,
    takes no later one's place. Which set it is, is asked for again after `FRESH_SECONDS`.
    """

    def __init__(self, features: FeatureStore) -> None:
        self._features = features
        self._known: dict[str, tuple[float, FeatureSetRef, dict[str, str]]] = {}

    def source(self, pipeline: Pipeline, ids: Sequence[str]) -> Source:
        """Return series by id, in that order.

        Raises
        ------
        Problem
            404: some are not in the set. 503: none was published, or none stays for long enough to be read.
        """
        ref, facts, found = self._picked(pipeline.name, ids)
        unknown = {f"body.series_ids.{i}": "is in no series of it" for i, name in enumerate(ids) if name not in found}
        if unknown:
            named = ", ".join(name for name in ids if name not in found)[:200]
            detail = f"{len(unknown)} of {len(ids)} series are not in feature set {ref.id}: {named}"
            raise Problem(404, detail, dict(list(unknown.items())[:NAMED]))
        blocks = [found[name] for name in ids]
        panel = panel_of(facts, blocks)
        lead = leads(pipeline.model.origin, facts["as_of"], panel)
        return Source(_shape(facts), blocks, panel, lead, ref.id, facts["as_of"])

    def _picked(
        self, pipeline: str, ids: Sequence[str]
    ) -> tuple[FeatureSetRef, dict[str, str], dict[str, SeriesBlock]]:
        for _ in range(2):
            ref, facts = self._published(pipeline)
            try:
                return ref, facts, self._features.pick(ref, ids)
            except FeatureSetMissing:  # purged or replaced since it was looked up
                self._known.pop(pipeline, None)
        raise Problem(503, f"features of {pipeline} are being replaced; try again", headers={"Retry-After": "1"})

    def _published(self, pipeline: str) -> tuple[FeatureSetRef, dict[str, str]]:
        now = time.monotonic()
        known = self._known.get(pipeline)
        if known is None or now - known[0] > FRESH_SECONDS:
            found = self._features.published(f"{pipeline}/predict")
            if found is None:
                detail = f"no predictions of {pipeline} were published: run {pipeline}_predict, or send values"
                raise Problem(503, detail)
            known = self._known[pipeline] = (now, *found)
        return known[1:]


def sent(pipeline: Pipeline, series: Sequence[Series], horizon: int) -> Source:
    """Return the series of a request.

    Raises
    ------
    Problem
        422: a start is off the grid of the pipeline's frequency, or exogenous values are missing.
    """
    frequency, names = pipeline.contract.frequency, pipeline.input.exogenous
    faults: dict[str, str] = {}
    blocks = []
    for i, each in enumerate(series):
        place = f"body.series.{i}"
        start = _ordinal(each.start, pipeline)
        if start is None:
            faults[f"{place}.start"] = _off_grid(each.start, pipeline)
        faults |= _exogenous_faults(f"{place}.exogenous", each, names, len(each.values) + horizon)
        if not faults:
            columns = [np.array(each.exogenous[name], dtype=np.float64) for name in names]
            exogenous = np.column_stack(columns) if columns else np.zeros((0, 0))
            blocks.append(SeriesBlock(each.id, start or 0, np.array(each.values, dtype=np.float64), exogenous, -1))
    if faults:
        raise Problem(422, f"faults in the series: {len(faults)}", dict(list(faults.items())[:20]))
    facts = {"frequency": frequency, "exogenous": ",".join(names)}
    return Source(facts, blocks, panel_of(facts, blocks), np.zeros(len(blocks), dtype=np.int64))


def _shape(facts: Mapping[str, str]) -> dict[str, str]:
    """Return the facts that say what a panel is like."""
    return {name: facts[name] for name in ("frequency", "exogenous")}


def on_the_clock(moment: datetime, pipeline: Pipeline) -> datetime:
    """Return a time of a request as the pipeline's input has it, without a zone: by the contract's clock, or in UTC."""
    if moment.tzinfo is None:
        return moment
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    zone = pipeline.contract.timezone
    shown: datetime = utc if zone is None else local(np.array([utc], "M8[us]"), zone)[0].item()
    return shown


def _ordinal(start: str, pipeline: Pipeline) -> int | None:
    """Return the ordinal of the period that starts at a time; None when none does."""
    try:
        moment = on_the_clock(datetime.fromisoformat(start), pipeline)
    except (ValueError, OverflowError):
        return None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        return None
    period = pd.Period(moment, freq=pipeline.contract.frequency)
    return int(period.ordinal) if period.start_time == pd.Timestamp(moment) else None


def _off_grid(start: str, pipeline: Pipeline) -> str:
    """Return why no period starts at a time, with the starts beside it where it is one at all."""
    frequency = pipeline.contract.frequency
    wanted = f"must be the start of a period of frequency {frequency}, from {FIRST_YEAR} to {LAST_YEAR}"
    try:
        moment = on_the_clock(datetime.fromisoformat(start), pipeline)
        within = pd.Period(moment, freq=frequency)
        starts = [each.start_time.isoformat() for each in (within, within + 1)]
    except (ValueError, OverflowError):
        return wanted
    return f"{wanted}: {moment.isoformat()} on its clock is between {starts[0]} and {starts[1]}"


def _exogenous_faults(place: str, series: Series, names: Sequence[str], needed: int) -> dict[str, str]:
    if set(series.exogenous) != set(names):
        return {place: f"the pipeline's columns are: {', '.join(names) or 'none'}"}
    lengths = {name: len(series.exogenous[name]) for name in names}
    short = {f"{place}.{name}": f"needs {needed}: one a value and a step" for name, n in lengths.items() if n < needed}
    if not short and len(set(lengths.values())) > 1:
        return {place: "its columns are of different lengths"}
    return short
