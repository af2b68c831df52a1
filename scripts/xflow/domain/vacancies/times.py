"""Times of vacancies from whatever their objects carry them in."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

EARLIEST, LATEST = np.datetime64("1990-01-01", "us"), np.datetime64("2100-01-01", "us")
"""Bounds of a time that can be one; others come from a wrong unit or a stand-in for a missing value."""

TIME = pa.timestamp("us")

_ISO = r"^\d{4}-\d{2}-\d{2}"
_NANOSECOND = pa.timestamp("ns")


def read_times(column: pa.Array) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Return times in UTC without a zone, and which rows have something that is no time.

    Parameters
    ----------
    column
        Timestamps, dates (their midnight), or ISO texts as ``2023-09-04T15:45:24+0300``; one without a
        zone is taken as UTC. An empty text is null.

    Returns
    -------
    times : pyarrow.Array
        Microseconds; null where there is no time. Finer units are cut.
    wrong : numpy.ndarray
        True where a text is no ISO time, or the time lies outside [`EARLIEST`, `LATEST`).
    """
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), TIME), np.zeros(len(column), dtype=bool)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return _bounded(_naive(column))
    encoded = column.cast(pa.string()).dictionary_encode()
    times, wrong = _from_texts(encoded.dictionary)
    places = encoded.indices.fill_null(len(wrong)).to_numpy()
    return times.take(encoded.indices), np.append(wrong, False)[places]


def _from_texts(texts: pa.Array) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    texts = pc.utf8_trim_whitespace(texts)
    dated = pc.match_substring_regex(texts, _ISO)  # pandas would read "now" as the clock's time
    values = pc.if_else(dated, texts, None).to_numpy(zero_copy_only=False)
    parsed = pd.to_datetime(values, utc=True, format="ISO8601", errors="coerce").tz_localize(None)
    times, out = _bounded(pa.array(parsed, _NANOSECOND, from_pandas=True))
    stated: npt.NDArray[np.bool_] = pc.not_equal(texts, "").to_numpy(zero_copy_only=False)
    return times, out | (stated & parsed.isna())


def _naive(times: pa.Array) -> pa.Array:
    if pa.types.is_date(times.type):
        return times.cast(pa.timestamp("s" if pa.types.is_date32(times.type) else "ms"))
    return times.cast(pa.timestamp(times.type.unit))


def _bounded(times: pa.Array) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Return times in microseconds, null where they lie outside the bounds, and which do."""
    unit = times.type.unit
    first, last = (bound.astype(f"M8[{unit}]").astype(np.int64) for bound in (EARLIEST, LATEST))
    ticks = times.cast(pa.int64()).fill_null(int(first)).to_numpy()
    out = (ticks < first) | (ticks >= last)
    kept = pc.if_else(pa.array(out), pa.scalar(None, times.type), times)
    return kept.cast(TIME, safe=False), out
