"""The columns that an input object must have, and its batches in one canonical form."""

from dataclasses import dataclass

import pyarrow as pa

from xflow.columns import IDENTIFIER, RESERVED, SERIES_ID, TIMESTAMP, VALUE
from xflow.domain.arrow_types import Wanted, as_numbers, as_text, misfit
from xflow.domain.object_columns import UNREADABLE, UnreadableTimes, absence, found_names, left_out, unexpected, valid
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
    ignore
        Columns of the objects that are left out.
    timezone
        IANA name of the zone whose clock the timestamps are to show; None: UTC.
    """

    series_id: str = SERIES_ID
    timestamp: str = TIMESTAMP
    value: str = VALUE
    exogenous: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    timezone: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, in canonical order."""
        return (self.series_id, self.timestamp, self.value, *self.exogenous)

    def check(self, schema: pa.Schema, source: str) -> None:
        """Refuse an object with a column missing, of a wrong type, repeated or too many.

        A name that differs from that of a column by case alone stands for it, when it is the only one. The index
        that pandas writes with a frame is left out.

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
        found = found_names(schema.names, self.names, self.ignore)
        faults = [fault for name in self.names if (fault := self._fault(schema, name, found[name], source))]
        known = {*(each for names in found.values() for each in names), *self.ignore}
        faults += [_stranger(name) for name in unexpected(schema, known)]
        if faults:
            raise InputUnreadable(f"{source}: {'; '.join(faults)}")

    def read(self, schema: pa.Schema) -> list[str]:
        """Return what an object calls the columns to read from it, `check` being passed."""
        return [name for (name,) in found_names(schema.names, self.names, self.ignore).values()]

    def left_out(self, schema: pa.Schema) -> tuple[str, ...]:
        """Return the columns that are left out though nobody said so."""
        return left_out(schema, {*self.read(schema), *self.ignore})

    def canonical(self, batch: pa.RecordBatch, source: str) -> pa.RecordBatch:
        """Return a batch as series_id (string), timestamp (without zone), value and exogenous columns (float64).

        Timestamps keep their unit; those that carry a zone show the clock of `timezone`. Integers, decimals and
        booleans become floats; an integer past 2**53 is rounded. Where a text is no time, `UNREADABLE` is the last
        column.

        Raises
        ------
        InputUnreadable
            A text is not UTF-8, or an id is a number that is not whole.
        """
        series, timestamp, *numbers = (batch.column(name) for name in self.read(batch.schema))
        unreadable = UnreadableTimes(batch.num_rows)
        with valid(f"{source}: column {self.series_id!r} cannot be read as ids"):
            ids = as_text(series)
        with valid(f"{source}: column {self.timestamp!r} cannot be read as times"):
            times = unreadable.times(TIMESTAMP, timestamp, self.timezone)
        columns = [ids, times, *map(as_numbers, numbers)]
        names = [SERIES_ID, TIMESTAMP, VALUE, *self.exogenous]
        if unreadable.any:
            columns, names = [*columns, unreadable.array()], [*names, UNREADABLE]
        return pa.RecordBatch.from_arrays(columns, names)

    def _fault(self, schema: pa.Schema, name: str, found: tuple[str, ...], source: str) -> str | None:
        if len(found) != 1:
            return absence(name, found, schema, source)
        places = schema.get_all_field_indices(found[0])
        kind = schema.field(places[0]).type
        if name == self.value and pa.types.is_boolean(kind):
            return f"column {name!r} is bool, wanted {Wanted.NUMBER}: write 0 and 1 where these are meant"
        wanted = {self.series_id: Wanted.ID, self.timestamp: Wanted.TIME}.get(name, Wanted.NUMBER)
        if name in self.exogenous and pa.types.is_boolean(kind):
            return None
        fault = misfit(kind, wanted)
        return fault and f"column {name!r} {fault}"


def _stranger(name: str) -> str:
    """Return what to do about a column that nobody asked for."""
    ways = "name it under input.ignore in the pipeline's YAML, or drop it"
    if IDENTIFIER.match(name) and name not in RESERVED:
        ways = f"declare it under input.exogenous when it is known ahead, {ways}"
    return f"unexpected column {name!r}: {ways}"
