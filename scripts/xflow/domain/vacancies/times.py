"""Bounds of the times of vacancies."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from xflow.domain.arrow_types import as_times

EARLIEST, LATEST = np.datetime64("1990-01-01", "us"), np.datetime64("2100-01-01", "us")
"""Bounds of a time that can be one; others come from a wrong unit or a stand-in for a missing value."""

TIME = pa.timestamp("us")


def read_times(column: pa.Array) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Return times in UTC without a zone, and which rows have something that is no time.

    Parameters
    ----------
    column
        See `xflow.domain.arrow_types.as_times`; a time without a zone is taken as UTC.

    Returns
    -------
    times : pyarrow.Array
        Microseconds; null where there is no time. Finer units are cut.
    wrong : numpy.ndarray
        True where a text is no ISO time, or the time lies outside [`EARLIEST`, `LATEST`).
    """
    times, wrong = as_times(column)
    unit = times.type.unit
    first, last = (bound.astype(f"M8[{unit}]").astype(np.int64) for bound in (EARLIEST, LATEST))
    ticks = times.cast(pa.int64()).fill_null(int(first)).to_numpy()
    out = (ticks < first) | (ticks >= last)
    kept = pc.if_else(pa.array(out), pa.scalar(None, times.type), times)
    return kept.cast(TIME, safe=False), wrong | out
