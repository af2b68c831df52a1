"""Write the feature set of a run: every series cleaned, cut at `as_of`, on its full grid."""

import logging
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from xflow.columns import SERIES_ID, TIMESTAMP
from xflow.domain.cleaning import contiguous, fill_gaps
from xflow.domain.contract import to_ordinals
from xflow.domain.panel import step_of
from xflow.pipeline import Pipeline
from xflow.ports import FeatureStore, ObjectStore, SeriesBlock
from xflow.refs import CheckedInput, FeatureSetRef, RunKey
from xflow.steps.input_objects import LocalInput, downloaded, input_columns, read_verdict

log = logging.getLogger(__name__)


def write_features(
    key: RunKey, pipeline: Pipeline, checked: CheckedInput, *, store: ObjectStore, features: FeatureStore
) -> FeatureSetRef:
    """Write the accepted values up to `as_of` as one block a series, sorted by series id.

    Values after `as_of` are never used. Exogenous columns are known ahead of time by declaration, so
    their later rows are kept, up to the first gap that is too long to fill.

    Raises
    ------
    InputChanged
        An object was replaced since the contract was checked.
    """
    codes = read_verdict(store, checked)
    with downloaded(store, checked.objects, input_columns(pipeline)) as local:
        rows = _Rows(pipeline, checked)
        rows.collect(local, codes)
    facts = {
        "frequency": pipeline.contract.frequency,
        "exogenous": ",".join(pipeline.input.exogenous),
        "as_of": checked.as_of,
    }
    written = features.write(key, facts, rows.blocks(codes))
    if written.series < checked.series_accepted:
        late = checked.series_accepted - written.series
        log.warning("%s: %d series have no value up to %s and are left out", key, late, checked.as_of)
    return written


class _Rows:
    """The accepted rows, packed: number of the series, period ordinal, value and exogenous values."""

    def __init__(self, pipeline: Pipeline, checked: CheckedInput) -> None:
        self._frequency, self._max_gap = pipeline.contract.frequency, pipeline.contract.max_gap
        self._step = step_of(self._frequency)
        self._as_of = int(to_ordinals(np.array([checked.as_of], dtype="M8[us]"), self._frequency)[0])
        self._ids: dict[str, int] = {}
        self._series = np.empty(checked.rows_accepted, dtype=np.int32)
        self._ordinals = np.empty(checked.rows_accepted, dtype=np.int64)
        self._values = np.empty((checked.rows_accepted, 1 + len(pipeline.input.exogenous)))

    def collect(self, local: LocalInput, codes: npt.NDArray[np.uint8]) -> None:
        """Take the accepted rows of an input."""
        end = 0
        for batch in local.batches():
            places = np.flatnonzero(codes[batch.first_row : batch.first_row + batch.rows.num_rows] == 0)
            rows = batch.rows.take(places) if len(places) < batch.rows.num_rows else batch.rows
            start, end = end, end + len(places)
            encoded = rows.column(SERIES_ID).dictionary_encode()
            numbers = [self._ids.setdefault(name, len(self._ids)) for name in encoded.dictionary.to_pylist()]
            self._series[start:end] = np.array(numbers, dtype=np.int32)[encoded.indices.to_numpy()]
            times = rows.column(TIMESTAMP).dictionary_encode()
            ordinals = to_ordinals(times.dictionary.to_numpy(), self._frequency)
            self._ordinals[start:end] = ordinals[times.indices.to_numpy()]
            for at, name in enumerate(rows.schema.names[2:]):
                self._values[start:end, at] = rows.column(name).to_numpy(zero_copy_only=False)
        self._values[self._ordinals > self._as_of, 0] = np.nan

    def blocks(self, codes: npt.NDArray[np.uint8]) -> Iterator[SeriesBlock]:
        """Yield the series that have a value up to `as_of`."""
        row_ids = np.flatnonzero(codes == 0)
        order = np.lexsort((self._ordinals, self._series))
        bounds = np.append(0, np.cumsum(np.bincount(self._series, minlength=len(self._ids))))
        for name in sorted(self._ids):
            number = self._ids[name]
            mine = order[bounds[number] : bounds[number + 1]]
            block = self._block(name, mine, row_ids)
            if block is not None:
                yield block

    def _block(self, name: str, mine: npt.NDArray[np.int64], row_ids: npt.NDArray[np.int64]) -> SeriesBlock | None:
        ordinals, columns = self._ordinals[mine], self._values[mine]
        observed = int(np.count_nonzero(~np.isnan(columns[:, 0])))
        if not observed:
            return None
        known = contiguous(ordinals, observed, self._max_gap, self._step)
        return SeriesBlock(
            series_id=name,
            start=int(ordinals[0]),
            values=fill_gaps(ordinals[:observed], columns[:observed, :1], self._step)[:, 0],
            exogenous=fill_gaps(ordinals[:known], columns[:known, 1:], self._step),
            origin_row_id=int(row_ids[mine[observed - 1]]),
        )
