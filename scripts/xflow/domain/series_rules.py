"""The rules that judge a row by the other rows of its series."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt

from xflow.domain.rules import Rule

FUTURE = 255
"""Code of a row that is right by itself but has no value: to be judged by where the series ends."""

Ordinals = npt.NDArray[np.int64]
Places = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]
Codes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Rows:
    """What is kept of every row.

    Attributes
    ----------
    series
        Number of the series, -1 where there is none.
    ordinals
        Period ordinal of the timestamp.
    content
        A number that is equal for equal values and exogenous values.
    codes
        The `Rule` that the row breaks, 0, or `FUTURE`; the methods fill it in.
    """

    series: Numbers
    ordinals: Ordinals
    content: npt.NDArray[np.uint64]
    codes: Codes

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """Return all parts as one and let go of them column by column, so that one column at most is held twice."""
        columns = []
        for name, kind in zip((f.name for f in fields(cls)), (np.int32, np.int64, np.uint64, np.uint8)):
            columns.append(np.concatenate([np.zeros(0, dtype=kind), *(getattr(part, name) for part in parts)]))
            for part in parts:
                setattr(part, name, columns[-1][:0])
        return cls(*columns)

    def in_order(self) -> Places:
        """Return the rows that are right so far, ordered by series and time; rows of one time keep their order."""
        order = np.lexsort((self.ordinals, self.series))
        return kept(order, self.right(order))

    def right(self, places: Places) -> Flags:
        """Return which rows break no rule so far."""
        codes = self.codes[places]
        return np.asarray((codes == Rule.ACCEPTED) | (codes == FUTURE))

    def reject_off_phase(self, step: int, n_series: int, as_of: int | None) -> None:
        """Reject the rows off the grid of most of their series' rows; rows after `as_of` decide only among themselves.

        Parameters
        ----------
        step
            Distance of neighbouring grid points in ordinals.
        """
        places = np.flatnonzero((self.codes == Rule.ACCEPTED) | (self.codes == FUTURE))
        series, phases = self.series[places], self.ordinals[places] % step
        end = np.iinfo(np.int64).max if as_of is None else as_of
        weights = np.where(self.ordinals[places] <= end, 1.0, 1e-10)
        votes = np.bincount(series.astype(np.int64) * step + phases, weights, minlength=n_series * step)
        chosen = votes.reshape(n_series, step).argmax(axis=1)
        self.codes[places[phases != chosen[series]]] = Rule.OFF_GRID

    def reject_duplicates(self, order: Places) -> Places:
        """Reject copies after the first, and all rows of a series and time whose contents differ.

        Returns
        -------
        numpy.ndarray
            What is left of `order`.
        """
        copies = np.flatnonzero(_repeats(self.series[order]) & _repeats(self.ordinals[order])) + 1
        if not len(copies):
            return order
        starts = np.ones(len(order), dtype=bool)
        starts[copies] = False
        group = np.cumsum(starts)
        differs = self.content[order[copies]] != self.content[order[copies - 1]]
        self.codes[order[copies]] = Rule.DUPLICATE
        self.codes[order[np.isin(group, group[copies[differs]])]] = Rule.CONFLICT
        return order[self.right(order)]

    def judge_future(self, null: Places, valued: Places, past: Places, n_series: int) -> None:
        """Accept the rows without a value that lie after their series' last value.

        Parameters
        ----------
        null
            The rows to judge.
        valued, past
            Rows with a value, and those among them up to `as_of`, which decide where there are any;
            both in order.
        """
        last = np.full(n_series, np.iinfo(np.int64).max)
        for rows in (valued, past):
            last[self.series[rows]] = self.ordinals[rows]  # in the order of time: the last one stays
        ahead = self.ordinals[null] > last[self.series[null]]
        self.codes[null] = np.where(ahead, Rule.ACCEPTED, Rule.VALUE_MISSING)

    def judge_series(self, past: Places, n_series: int, step: int, max_gap: int | None, min_length: int) -> None:
        """Reject what is left of a series with too long a gap, or with too few steps.

        Parameters
        ----------
        past
            Rows with a value up to `as_of`, in order.
        max_gap
            Longest run of missing steps; None takes any.
        """
        series, times = self.series[past], self.ordinals[past]
        first, last = (np.full(n_series, np.iinfo(np.int64).min) for _ in range(2))
        last[series], first[series[::-1]] = times, times[::-1]
        present = np.bincount(series, minlength=n_series) > 0
        steps = np.where(present, (last - first) // step + 1, 0)
        verdict = np.where(steps < min_length, Rule.SERIES_TOO_SHORT, Rule.ACCEPTED).astype(np.uint8)
        if max_gap is not None:
            broken = (np.diff(times) > (max_gap + 1) * step) & _repeats(series)
            verdict[series[1:][broken]] = Rule.GAP_TOO_LONG
        if verdict.any():
            left = np.flatnonzero(self.codes == Rule.ACCEPTED)
            self.codes[left] = verdict[self.series[left]]


def kept(places: Places, flags: Flags) -> Places:
    """Return the flagged places, without a copy when all are."""
    return places if flags.all() else places[flags]


def _repeats(column: npt.NDArray[np.signedinteger]) -> Flags:
    """Return which elements but the first equal the one before."""
    return np.asarray(column[1:] == column[:-1])
