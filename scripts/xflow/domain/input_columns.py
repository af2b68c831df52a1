"""The columns that an input object must have, and its batches in one canonical form."""

from dataclasses import dataclass

import pyarrow as pa

from xflow.columns import SERIES_ID, TIMESTAMP, VALUE
from xflow.errors import InputUnreadable


@dataclass(frozen=True, slots=True)
class InputColumns:
    """Names of the input's columns as its objects carry them.

    Attributes
    ----------
    series_id, timestamp, value
        The required columns.
    exogenous
        Further columns, known ahead of time; they keep their names.
    """

    series_id: str = SERIES_ID
    timestamp: str = TIMESTAMP
    value: str = VALUE
    exogenous: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, in canonical order."""
        return (self.series_id, self.timestamp, self.value, *self.exogenous)

    def check(self, schema: pa.Schema, source: str) -> None:
        """Refuse an object with a column missing, of a wrong type, repeated or too many.

        Parameters
        ----------
        schema
            The object's schema.
        source
            Its URI, for the message.

        Raises
        ------
        InputUnreadable
            The message names every such column, what was found and what to do.
        """
        faults = [fault for name in self.names if (fault := self._fault(schema, name))]
        extra = [repr(name) for name in dict.fromkeys(schema.names) if name not in self.names]
        if extra:
            faults.append(
                f"unexpected column {', '.join(extra)}: declare it under input.exogenous in the pipeline's YAML, "
                "or drop it"
            )
        if faults:
            raise InputUnreadable(f"{source}: {'; '.join(faults)}")

    def canonical(self, batch: pa.RecordBatch, source: str) -> pa.RecordBatch:
        """Return a batch as series_id (string), timestamp (UTC, no zone), value and exogenous columns (float64).

        Timestamps keep their unit. Integers, decimals and booleans become floats; an integer past
        2**53 is rounded.

        Raises
        ------
        InputUnreadable
            A text is not UTF-8.
        """
        series = batch.column(self.series_id).cast(pa.string())
        try:
            series.validate(full=True)
        except pa.ArrowInvalid as error:
            raise InputUnreadable(
                f"{source}: column {self.series_id!r} holds text that is not UTF-8 ({error}). Write it again as UTF-8."
            ) from error
        numbers = [batch.column(name).cast(pa.float64(), safe=False) for name in (self.value, *self.exogenous)]
        columns = [series, _naive(batch.column(self.timestamp)), *numbers]
        return pa.RecordBatch.from_arrays(columns, [SERIES_ID, TIMESTAMP, VALUE, *self.exogenous])

    def _fault(self, schema: pa.Schema, name: str) -> str | None:
        places = schema.get_all_field_indices(name)
        if len(places) != 1:
            how = f"appears {len(places)} times" if places else f"is missing (there are: {', '.join(schema.names)})"
            return f"column {name!r} {how}: write it once, or correct input.columns in the pipeline's YAML"
        found = schema.field(places[0]).type
        if name == self.series_id:
            fits, wanted = _is_text(found), "string"
        elif name == self.timestamp:
            fits, wanted = pa.types.is_timestamp(found) or pa.types.is_date(found), "timestamp or date"
        else:
            fits, wanted = _is_number(found) or (name != self.value and pa.types.is_boolean(found)), "double"
        return None if fits else f"column {name!r} is {found}, wanted {wanted}: convert it before it is written"


def _is_text(found: pa.DataType) -> bool:
    if pa.types.is_dictionary(found):
        return _is_text(found.value_type)
    return bool(pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found))


def _is_number(found: pa.DataType) -> bool:
    return bool(pa.types.is_floating(found) or pa.types.is_integer(found) or pa.types.is_decimal(found))


def _naive(times: pa.Array) -> pa.Array:
    """Return timestamps in UTC without a zone; a date is its midnight."""
    if pa.types.is_date(times.type):
        return times.cast(pa.timestamp("s" if pa.types.is_date32(times.type) else "ms"))
    return times.cast(pa.timestamp(times.type.unit))
