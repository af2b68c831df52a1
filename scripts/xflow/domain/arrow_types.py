"""The Arrow types that columns of an input may have, and how each becomes the canonical one: one rule for all kinds."""

from enum import StrEnum
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

WHOLE_FLOATS = 2.0**53
"""From here on, not every whole number is a float: two ids may have become one."""

_ISO = r"^\d{4}-\d{2}-\d{2}"
_ZONED = r"(Z|[+-]\d{2}(:?\d{2})?)$"
_TAKEN_AS = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary(), pa.float16(): pa.float32()}
_EXTENSIONS = {"arrow.uuid": pa.string(), "arrow.json": pa.string()}


class Wanted(StrEnum):
    """What a column is to hold, in the words of a message."""

    TEXT = "text"
    ID = "text or whole numbers"
    TIME = "timestamp, date or ISO text"
    NUMBER = "number"
    FLAG = "boolean, or 0 and 1"


def misfit(found: pa.DataType, wanted: Wanted) -> str | None:
    """Return why a column of a type cannot be read, and what to do, or None when it can."""
    plain = _plain(found)
    if "period" in str(found) and wanted is Wanted.TIME:
        return f"is {found}, wanted {wanted}: write the periods' starts, as column.dt.to_timestamp() does"
    if types.is_null(plain) or _fits(plain, wanted):
        return None
    return f"is {found}, wanted {wanted}: {_advice(plain, wanted)}"


def as_text(column: pa.Array) -> pa.Array:
    """Return texts, binary texts and whole numbers as valid UTF-8; NaN is null.

    Raises
    ------
    pyarrow.ArrowInvalid
        A text is not UTF-8, a number is not whole, or too large a float to be told from its neighbours.
    """
    column = decoded(column)
    if types.is_floating(column.type):
        floats = stated(column.cast(pa.float64()))
        if pc.any(pc.greater_equal(pc.abs(floats), WHOLE_FLOATS)).as_py():
            raise pa.ArrowInvalid(f"a float of {WHOLE_FLOATS:.0f} or more does not say which whole number it was")
        column = floats.cast(pa.int64())
    elif types.is_decimal(column.type):
        column = column.cast(pa.decimal256(76, 0) if types.is_decimal256(column.type) else pa.decimal128(38, 0))
    elif _is_binary(column.type) and not types.is_large_binary(column.type):
        column = column.cast(pa.binary())
    text = column.cast(pa.string())
    text.validate(full=True)
    return text


def as_numbers(column: pa.Array) -> pa.Array:
    """Return numbers and booleans as float64; an integer past 2**53 is rounded."""
    return decoded(column).cast(pa.float64(), safe=False)


def as_flags(column: pa.Array) -> pa.Array:
    """Return booleans, from numbers too.

    Raises
    ------
    pyarrow.ArrowInvalid
        A number is neither 0 nor 1.
    """
    column = decoded(column)
    if not _is_number(column.type):
        return column.cast(pa.bool_())
    numbers = stated(column.cast(pa.float64(), safe=False))
    if pc.any(pc.invert(pc.is_in(numbers, pa.array([0.0, 1.0, None])))).as_py():
        raise pa.ArrowInvalid("a flag is true or false, or 1 or 0")
    return pc.equal(numbers, 1.0)


def as_times(column: pa.Array, timezone: str | None = None) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Return times without a zone, and which rows have a text that is no ISO time.

    Parameters
    ----------
    column
        Timestamps, dates (their midnight), or ISO texts as ``2023-09-04T15:45:24+0300``. An empty text is null.
    timezone
        IANA name of the zone whose clock the times are to show; None: UTC. It is that of times that carry a zone;
        others are taken to show that clock already.

    Returns
    -------
    times : pyarrow.Array
        Timestamps keep their unit, texts are in nanoseconds; null where there is no time. The first moment of a day
        that begins later than midnight, as the clocks are put forward, is its midnight.
    wrong : numpy.ndarray
        bool, shape (n,).
    """
    column = decoded(column)
    if types.is_null(column.type):
        return pa.nulls(len(column), pa.timestamp("us")), np.zeros(len(column), dtype=bool)
    if types.is_timestamp(column.type) or types.is_date(column.type):
        return _without_zone(column, timezone), np.zeros(len(column), dtype=bool)
    encoded = as_text(column).dictionary_encode()
    times, wrong = _from_texts(encoded.dictionary, timezone)
    places = encoded.indices.fill_null(len(wrong)).to_numpy()
    return times.take(encoded.indices), np.append(wrong, False)[places]


def local(times: npt.NDArray[np.datetime64], timezone: str) -> npt.NDArray[np.datetime64]:
    """Return what the clock of a zone shows at times in UTC, in their unit; see `as_times`."""
    clock, before = (_clock(moments, timezone) for moments in (times, times - np.timedelta64(1)))
    days = clock.astype("M8[D]")
    return np.asarray(np.where(days != before.astype("M8[D]"), days.astype(times.dtype), clock))


def decoded(column: pa.Array) -> pa.Array:
    """Return a column without dictionary or extension type."""
    if isinstance(column.type, pa.BaseExtensionType):
        storage = column.storage
        if column.type.extension_name == "arrow.uuid":
            return pa.array([None if raw is None else str(UUID(bytes=raw)) for raw in storage.to_pylist()], pa.string())
        return decoded(storage)
    if not types.is_dictionary(column.type):
        return column
    values = column.dictionary
    if values.type in _TAKEN_AS:  # Arrow cannot take from these
        values = values.cast(_TAKEN_AS[values.type])
    return values.take(column.indices)


def stated(column: pa.Array) -> pa.Array:
    """Return a column with null for NaN."""
    return without(column, pc.is_nan(column)) if types.is_floating(column.type) else column


def without(column: pa.Array, flags: pa.Array) -> pa.Array:
    """Return a column with null where it is flagged."""
    return pc.if_else(pc.fill_null(flags, fill_value=False), pa.scalar(None, column.type), column)


def _plain(found: pa.DataType) -> pa.DataType:
    if isinstance(found, pa.BaseExtensionType):
        return _EXTENSIONS.get(found.extension_name, found.storage_type)
    return _plain(found.value_type) if types.is_dictionary(found) else found


def _fits(found: pa.DataType, wanted: Wanted) -> bool:
    text, number = _is_text(found) or _is_binary(found), _is_number(found)
    return {
        Wanted.TEXT: text,
        Wanted.ID: text or number,
        Wanted.TIME: text or types.is_timestamp(found) or types.is_date(found),
        Wanted.NUMBER: number,
        Wanted.FLAG: number or types.is_boolean(found),
    }[wanted]


def _is_text(found: pa.DataType) -> bool:
    return bool(types.is_string(found) or types.is_large_string(found) or types.is_string_view(found))


def _is_binary(found: pa.DataType) -> bool:
    kinds = (types.is_binary, types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary)
    return any(kind(found) for kind in kinds)


def _is_number(found: pa.DataType) -> bool:
    return bool(types.is_floating(found) or types.is_integer(found) or types.is_decimal(found))


def _advice(found: pa.DataType, wanted: Wanted) -> str:
    if types.is_struct(found):
        return (
            "write the struct's fields as columns of their own, and name those that are not wanted under input.ignore"
        )
    if types.is_nested(found):
        return "write one value a row"
    if wanted is Wanted.TIME and _is_number(found):
        return "a number does not say its unit and zone: write timestamps, as pandas.to_datetime(column, unit='s') does"
    if wanted is Wanted.NUMBER and _is_text(found):
        return "write numbers, as pandas.to_numeric(column) does"
    if wanted is Wanted.FLAG:
        return "write true and false"
    return "convert it before it is written"


def _without_zone(times: pa.Array, timezone: str | None) -> pa.Array:
    if types.is_date(times.type):
        return times.cast(pa.timestamp("s" if types.is_date32(times.type) else "ms"))
    naive = times.cast(pa.timestamp(times.type.unit))
    if timezone is None or times.type.tz is None:
        return naive
    encoded = naive.dictionary_encode()
    return pa.array(local(encoded.dictionary.to_numpy(zero_copy_only=False), timezone)).take(encoded.indices)


def _from_texts(texts: pa.Array, timezone: str | None) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    texts = pc.utf8_trim_whitespace(texts)
    dated = pc.match_substring_regex(texts, _ISO)  # pandas would read "now" as the clock's time
    values = pc.if_else(dated, texts, None).to_numpy(zero_copy_only=False)
    parsed = pd.to_datetime(values, utc=True, format="ISO8601", errors="coerce").tz_localize(None)
    moments: npt.NDArray[np.datetime64] = parsed.to_numpy().astype("M8[ns]")
    if timezone is not None:
        zoned = pc.match_substring_regex(pc.utf8_slice_codeunits(texts, 10), _ZONED).to_numpy(zero_copy_only=False)
        moments = np.where(zoned, local(moments, timezone), moments)
    said: npt.NDArray[np.bool_] = pc.not_equal(texts, "").to_numpy(zero_copy_only=False)
    return pa.array(moments, pa.timestamp("ns"), from_pandas=True), said & np.isnat(moments)


def _clock(times: npt.NDArray[np.datetime64], timezone: str) -> npt.NDArray[np.datetime64]:
    return pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(timezone).tz_localize(None).to_numpy()
