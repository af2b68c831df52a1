"""The input of a forecasting pipeline: long tables of many series."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from xflow.columns import SERIES_ID, TIMESTAMP, VALUE
from xflow.domain.cleaning import after_last_gap, contiguous, fill_gaps
from xflow.domain.contract import ContractChecker, to_ordinals
from xflow.domain.grid_hint import grid_hint
from xflow.domain.input_columns import InputColumns
from xflow.domain.object_columns import UNREADABLE
from xflow.domain.panel import period_starts, step_of
from xflow.domain.rules import COLUMN, Rule
from xflow.domain.verdict import ContractRule
from xflow.pipeline import Pipeline
from xflow.ports import SeriesBlock
from xflow.refs import CheckedInput, ObjectRef
from xflow.schema import PipelineTables, series_tables
from xflow.steps.input_objects import LocalInput, accepted_batches


class SeriesInput:
    """What is special to an input of series; see `xflow.steps.kinds.InputKind`."""

    entity = "series"
    rules: type[ContractRule] = Rule
    hinted: frozenset[ContractRule] = frozenset({Rule.OFF_GRID, Rule.GAP_TOO_LONG, Rule.SERIES_TOO_SHORT})

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    @property
    def timezone(self) -> str | None:
        """What the pipeline's contract says."""
        return self._pipeline.contract.timezone

    @property
    def columns(self) -> InputColumns:
        """The columns that the pipeline's file declares."""
        given = self._pipeline.input
        names = given.columns
        return InputColumns(names.series_id, names.timestamp, names.value, given.exogenous, given.ignore, self.timezone)

    @property
    def tables(self) -> PipelineTables:
        """The mart's tables of the pipeline."""
        return series_tables(self._pipeline.input.exogenous, self._pipeline.model.levels)

    def chosen(self, objects: Sequence[ObjectRef], location: str, until: datetime | None) -> Sequence[ObjectRef]:  # noqa: ARG002
        """Return all objects: what lies after `until` is judged by its timestamp."""
        return objects

    def used_until(self, until: datetime | None, newest: datetime | None) -> datetime | None:
        """Return what was asked for: it may be the origin of all forecasts."""
        return until or newest

    def known_at(self, moment: datetime) -> datetime:
        """Return the start of the last period that was over: the value of a month is known when the month is."""
        frequency = self._pipeline.contract.frequency
        here = moment if self.timezone is None else moment.replace(tzinfo=UTC).astimezone(ZoneInfo(self.timezone))
        over = _ordinal(here.replace(tzinfo=None), frequency) - step_of(frequency)
        start: datetime = period_starts(np.array([over]), frequency).astype("M8[us]").tolist()[0]
        return start

    def checker(self, train: bool, until: datetime | None) -> ContractChecker:
        """Return what judges the rows; predict takes series of any length, and uses what comes after their last gap."""
        contract = self._pipeline.contract
        return ContractChecker(
            contract.frequency,
            exogenous=self._pipeline.input.exogenous,
            max_gap=contract.max_gap,
            reject_gaps=train,
            min_length=contract.min_length if train else 0,
            as_of=None if until is None else _ordinal(until, contract.frequency),
        )

    def offending(self, rows: pa.RecordBatch, rule: ContractRule) -> tuple[pa.Array, pa.Array]:
        """Return the column and the value that broke a rule: of several exogenous columns the first wrong one."""
        if rule is Rule.TIMESTAMP_UNREADABLE:
            return pa.repeat(TIMESTAMP, rows.num_rows), rows.column(UNREADABLE).field("text")
        if rule is not Rule.EXOGENOUS_NOT_FINITE:
            column = COLUMN.get(Rule(rule), TIMESTAMP)
            return pa.repeat(column, rows.num_rows), rows.column(column).cast(pa.string())
        names = self._pipeline.input.exogenous
        finite = [np.isfinite(rows.column(name).to_numpy(zero_copy_only=False)) for name in names]
        worst = pa.array(np.argmin(np.stack(finite), axis=0))
        return pa.array(names).take(worst), pc.choose(worst, *(rows.column(name).cast(pa.string()) for name in names))

    def hint(self, rule: ContractRule, rows: pa.RecordBatch) -> str:
        """Return which frequency fits timestamps off the grid, or how long the gaps or the series are."""
        frequency, times = self._pipeline.contract.frequency, rows.column(TIMESTAMP).to_numpy(zero_copy_only=False)
        if rule is Rule.OFF_GRID:
            return grid_hint(times, frequency)
        steps = to_ordinals(times, frequency) // step_of(frequency)
        frame = pd.DataFrame({SERIES_ID: rows.column(SERIES_ID).to_pylist(), "step": steps})
        series = frame.sort_values("step").groupby(SERIES_ID)["step"]
        if rule is Rule.GAP_TOO_LONG:
            return f"found: gaps of up to {series.diff().max() - 1:.0f} steps"
        return f"found: series of up to {(series.max() - series.min()).max() + 1} steps"

    def facts(self, checked: CheckedInput) -> dict[str, str]:
        """Return frequency, exogenous columns and as_of."""
        return {
            "frequency": self._pipeline.contract.frequency,
            "exogenous": ",".join(self._pipeline.input.exogenous),
            "as_of": checked.as_of,
        }

    def blocks(self, local: LocalInput, codes: npt.NDArray[np.uint8], checked: CheckedInput) -> Iterator[SeriesBlock]:
        """Yield every series cleaned, cut at as_of, on its full grid.

        Values after as_of are never used, nor are those before a gap that is too long to fill, which the contract of a
        training refuses. Exogenous columns are known ahead of time by declaration, so their later rows are kept, up to
        the first such gap.
        """
        rows = _GroupedRows(self._pipeline, checked)
        rows.count(local, codes)
        rows.collect(local, codes)
        return rows.blocks()


class _GroupedRows:
    """The accepted rows, series by series: row id, period ordinal, value and exogenous values, 24 bytes and more a row.

    A first reading counts the rows of each series, a second puts every row into its series' place, so
    that only one series at a time is sorted by time.
    """

    def __init__(self, pipeline: Pipeline, checked: CheckedInput) -> None:
        self._frequency, self._max_gap = pipeline.contract.frequency, pipeline.contract.max_gap
        self._step = step_of(self._frequency)
        self._as_of = _ordinal(datetime.fromisoformat(checked.as_of), self._frequency)
        self._names = (VALUE, *pipeline.input.exogenous)
        self._numbers: dict[str, int] = {}
        self._bounds = np.zeros(1, dtype=np.int64)
        self._row_ids = np.empty(checked.rows_accepted, dtype=np.int64)
        self._ordinals = np.empty(checked.rows_accepted, dtype=np.int64)
        self._values = np.empty((checked.rows_accepted, len(self._names)))

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
            for at, name in enumerate(self._names):
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
            first = after_last_gap(ordinals[:observed], self._max_gap, self._step)
            yield SeriesBlock(
                series_id=name,
                start=int(ordinals[first]),
                values=fill_gaps(ordinals[first:observed], columns[first:observed, :1], self._step)[:, 0],
                exogenous=fill_gaps(ordinals[first:known], columns[first:known, 1:], self._step),
                origin_row_id=int(self._row_ids[mine][order[observed - 1]]),
                gap=int(ordinals[first] - ordinals[first - 1]) // self._step - 1 if first else 0,
            )

    def _series(self, rows: pa.RecordBatch) -> npt.NDArray[np.int64]:
        """Return the number of each row's series."""
        encoded = rows.column(SERIES_ID).dictionary_encode()
        known = self._numbers
        numbers = np.array([known.setdefault(name, len(known)) for name in encoded.dictionary.to_pylist()])
        return np.asarray(numbers[encoded.indices.to_numpy()])


def _ordinal(time: datetime, frequency: str) -> int:
    return int(to_ordinals(np.array([time], dtype="M8[us]"), frequency)[0])
