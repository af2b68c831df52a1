"""Write the feature set of a run: every series cleaned, cut at `as_of`, on its full grid."""

import logging
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from xflow.columns import SERIES_ID, TIMESTAMP
from xflow.domain.cleaning import contiguous, fill_gaps
from xflow.domain.contract import to_ordinals
from xflow.domain.panel import step_of
from xflow.pipeline import Pipeline
from xflow.ports import FeatureStore, ObjectStore, SeriesBlock
from xflow.refs import CheckedInput, FeatureSetRef, RunKey
from xflow.steps.input_objects import LocalInput, accepted_batches, downloaded, input_columns, read_verdict

log = logging.getLogger(__name__)


def write_features(
    key: RunKey, pipeline: Pipeline, checked: CheckedInput, *, store: ObjectStore, features: FeatureStore
) -> FeatureSetRef:
    """Write the accepted values up to `as_of` as one block a series.

    Values after `as_of` are never used. Exogenous columns are known ahead of time by declaration, so
    their later rows are kept, up to the first gap that is too long to fill.

    Raises
    ------
    InputChanged
        An object was replaced since the contract was checked.
    """
    codes = read_verdict(store, checked)
    with downloaded(store, checked.objects, input_columns(pipeline)) as local:
        rows = _GroupedRows(pipeline, checked)
        rows.count(local, codes)
        rows.collect(local, codes)
    facts = {
        "frequency": pipeline.contract.frequency,
        "exogenous": ",".join(pipeline.input.exogenous),
        "as_of": checked.as_of,
    }
    written = features.write(key, facts, rows.blocks())
    if written.series < checked.series_accepted:
        late = checked.series_accepted - written.series
        log.warning("%s: %d series have no value up to %s and are left out", key, late, checked.as_of)
    return written


class _GroupedRows:
    """The accepted rows, series by series: row id, period ordinal, value and exogenous values, 24 bytes and more a row.

    A first reading counts the rows of each series, a second puts every row into its series' place, so
    that only one series at a time is sorted by time.
    """

    def __init__(self, pipeline: Pipeline, checked: CheckedInput) -> None:
        self._frequency, self._max_gap = pipeline.contract.frequency, pipeline.contract.max_gap
        self._step = step_of(self._frequency)
        self._as_of = int(to_ordinals(np.array([checked.as_of], dtype="M8[us]"), self._frequency)[0])
        self._numbers: dict[str, int] = {}
        self._bounds = np.zeros(1, dtype=np.int64)
        self._row_ids = np.empty(checked.rows_accepted, dtype=np.int64)
        self._ordinals = np.empty(checked.rows_accepted, dtype=np.int64)
        self._values = np.empty((checked.rows_accepted, 1 + len(pipeline.input.exogenous)))

    def count(self, local: LocalInput, codes: npt.NDArray[np.uint8]) -> None:
        """Lay out the places of every series."""
        counts = np.zeros(0, dtype=np.int64)
        for batch in accepted_batches(local, codes):
            found = np.bincount(self._series(batch.rows), minlength=len(self._numbers))
            found[: len(counts)] += counts
            counts = found
        self._bounds = np.append(0, np.cumsum(counts))

    def collect(self, local: LocalInput, codes: npt.NDArray[np.uint8]) -> None:
        """Put the accepted rows into their places."""
        free = self._bounds[:-1].copy()
        for batch in accepted_batches(local, codes):
            series = self._series(batch.rows)
            order = np.argsort(series, kind="stable")
            present, first, sizes = np.unique(series[order], return_index=True, return_counts=True)
            places = np.empty(len(order), dtype=np.int64)
            places[order] = (free[present] - first).repeat(sizes) + np.arange(len(order))
            free[present] += sizes
            times = batch.rows.column(TIMESTAMP).dictionary_encode()
            ordinals = to_ordinals(times.dictionary.to_numpy(), self._frequency)
            self._row_ids[places] = batch.row_ids
            self._ordinals[places] = ordinals[times.indices.to_numpy()]
            for at, name in enumerate(batch.rows.schema.names[2:]):
                self._values[places, at] = batch.rows.column(name).to_numpy(zero_copy_only=False)

    def blocks(self) -> Iterator[SeriesBlock]:
        """Yield the series that have a value up to `as_of`."""
        for name, number in self._numbers.items():
            mine = slice(self._bounds[number], self._bounds[number + 1])
            order = np.argsort(self._ordinals[mine], kind="stable")
            ordinals, columns = self._ordinals[mine][order], self._values[mine][order]
            observed = int(np.count_nonzero((ordinals <= self._as_of) & ~np.isnan(columns[:, 0])))
            if not observed:
                continue
            known = contiguous(ordinals, observed, self._max_gap, self._step)
            yield SeriesBlock(
                series_id=name,
                start=int(ordinals[0]),
                values=fill_gaps(ordinals[:observed], columns[:observed, :1], self._step)[:, 0],
                exogenous=fill_gaps(ordinals[:known], columns[:known, 1:], self._step),
                origin_row_id=int(self._row_ids[mine][order[observed - 1]]),
            )

    def _series(self, rows: pa.RecordBatch) -> npt.NDArray[np.int64]:
        """Return the number of each row's series."""
        encoded = rows.column(SERIES_ID).dictionary_encode()
        known = self._numbers
        numbers = np.array([known.setdefault(name, len(known)) for name in encoded.dictionary.to_pylist()])
        return np.asarray(numbers[encoded.indices.to_numpy()])
