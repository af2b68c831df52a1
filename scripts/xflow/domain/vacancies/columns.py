"""The columns that an object of flat vacancies may have, and its batches in one canonical form."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from xflow.columns import RESPONSIBILITY, SNAPSHOT_AT, VACANCY_ID
from xflow.domain.vacancies.times import read_times
from xflow.errors import ConfigInvalid, InputUnreadable
from xflow.schema import VACANCY_SCHEMA

REQUIRED = (VACANCY_ID, SNAPSHOT_AT, RESPONSIBILITY)
"""Columns that every object has; all others may be absent and are null then."""

UNREADABLE = "unreadable"
"""Last column of a canonical batch: canonical name and text of a row's first time that is none, or null."""

UNREADABLE_TYPE = pa.struct([("column", pa.string()), ("text", pa.string())])

_FIRST_CODE = r"^[\s\[\"']*([^\s,;|\[\]\"']*).*$"


@dataclass(frozen=True, slots=True)
class VacancyColumns:
    """Names of the vacancies' columns as their objects carry them.

    Attributes
    ----------
    given
        Canonical name to the name in the objects, where they differ.
    ignore
        Columns of the objects that are left out; a canonical one is null then.
    """

    given: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What the objects call the columns of `VACANCY_SCHEMA`, in its order; optional ones may be absent."""
        return tuple(self.name(column) for column in VACANCY_SCHEMA.names)

    def name(self, column: str) -> str:
        """Return what the objects call a canonical column."""
        return self.given.get(column, column)

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
        ConfigInvalid
            ``input.columns`` names a column that vacancies do not have.
        InputUnreadable
            The message names every such column, what was found and what to do.
        """
        strangers = [repr(name) for name in self.given if name not in VACANCY_SCHEMA.names]
        if strangers:
            raise ConfigInvalid(
                f"input.columns: {', '.join(strangers)} is no column of a vacancy. "
                f"These are: {', '.join(VACANCY_SCHEMA.names)}"
            )
        faults = [fault for wanted in VACANCY_SCHEMA if (fault := self._fault(schema, wanted))]
        known = {*self.names, *self.ignore}
        extra = [repr(name) for name in dict.fromkeys(schema.names) if name not in known]
        if extra:
            faults.append(
                f"unexpected column {', '.join(extra)}: correct its name, map it under input.columns in the "
                "pipeline's YAML, or name it under input.ignore"
            )
        if faults:
            raise InputUnreadable(f"{source}: {'; '.join(faults)}")

    def canonical(self, batch: pa.RecordBatch, source: str) -> pa.RecordBatch:
        """Return a batch with the columns of `VACANCY_SCHEMA`, all nullable, and `UNREADABLE` as the last.

        Times are in UTC without a zone, in microseconds; one without a zone is taken as UTC. A number of
        NaN is null, and a salary of 0 too: some writers put it where none is stated. Integer ids become
        text, of several roles the first counts, and skills lie one a line.

        Raises
        ------
        InputUnreadable
            A text is not UTF-8, or a number that must be whole is not.
        """
        columns, unreadable = [], _Unreadable(batch.num_rows)
        for wanted in VACANCY_SCHEMA:
            name = self.name(wanted.name)
            if name not in batch.schema.names or name in self.ignore:
                columns.append(pa.nulls(batch.num_rows, wanted.type))
                continue
            with _valid(f"{source}: column {name!r} cannot be read as {wanted.type}"):
                if pa.types.is_timestamp(wanted.type):
                    columns.append(unreadable.times(wanted.name, batch.column(name)))
                else:
                    columns.append(_converted(batch.column(name), wanted))
        return pa.RecordBatch.from_arrays([*columns, unreadable.array()], [*VACANCY_SCHEMA.names, UNREADABLE])

    def _fault(self, schema: pa.Schema, wanted: pa.Field) -> str | None:
        name = self.name(wanted.name)
        places = [] if name in self.ignore else schema.get_all_field_indices(name)
        if not places and wanted.name not in REQUIRED and wanted.name not in self.given:
            return None
        if len(places) != 1:
            how = f"appears {len(places)} times" if places else f"is missing (there are: {', '.join(schema.names)})"
            return f"column {name!r} {how}: write it once, or correct input.columns in the pipeline's YAML"
        found = schema.field(places[0]).type
        expected, fits = _expected(wanted, found)
        return None if fits else f"column {name!r} is {found}, wanted {expected}: convert it before it is written"


class _Unreadable:
    """Collects the first time of every row that could not be read."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._columns: npt.NDArray[np.object_] | None = None
        self._texts: npt.NDArray[np.object_] | None = None

    def times(self, column: str, given: pa.Array) -> pa.Array:
        times, wrong = read_times(given)
        if wrong.any():
            self._note(column, given, wrong)
        return times

    def array(self) -> pa.Array:
        if self._columns is None:
            return pa.nulls(self._rows, UNREADABLE_TYPE)
        names, texts = pa.array(self._columns, pa.string()), pa.array(self._texts, pa.string())
        return pa.StructArray.from_arrays([names, texts], fields=list(UNREADABLE_TYPE), mask=names.is_null())

    def _note(self, column: str, given: pa.Array, wrong: npt.NDArray[np.bool_]) -> None:
        if self._columns is None or self._texts is None:
            self._columns, self._texts = (np.full(self._rows, None, dtype=object) for _ in range(2))
        new = wrong & pd.isna(self._columns)
        self._columns[new] = column
        self._texts[new] = given.filter(pa.array(new)).cast(pa.string()).to_pylist()


@contextmanager
def _valid(what: str) -> Iterator[None]:
    try:
        yield
    except pa.ArrowInvalid as error:
        advice = "Write texts as UTF-8, and ids and counts as whole numbers."
        raise InputUnreadable(f"{what} ({error}). {advice}") from error


def _expected(wanted: pa.Field, found: pa.DataType) -> tuple[str, bool]:
    """Return the types that a column may have, in words, and whether one of them was found."""
    types = pa.types
    number = types.is_integer(found) or types.is_floating(found)
    text = _is_text(found) or types.is_null(found)
    if types.is_string(wanted.type):
        id_like = wanted.name.endswith("_id")
        return ("string or integer", text or number) if id_like else ("string", text)
    if types.is_timestamp(wanted.type):
        return "timestamp, date or ISO text", text or types.is_timestamp(found) or types.is_date(found)
    if types.is_boolean(wanted.type):
        return "boolean", types.is_null(found) or types.is_boolean(found)
    return str(wanted.type), types.is_null(found) or number or types.is_decimal(found)


def _is_text(found: pa.DataType) -> bool:
    if pa.types.is_dictionary(found):
        return _is_text(found.value_type)
    return bool(pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found))


def _converted(given: pa.Array, wanted: pa.Field) -> pa.Array:
    if not pa.types.is_string(wanted.type):
        number = _stated(given)
        if pa.types.is_floating(wanted.type):
            number = number.cast(pa.float64(), safe=False)
            if wanted.name in {"salary_from", "salary_to"}:
                number = _without(number, pc.equal(number, 0))
        return number.cast(wanted.type)
    text = _text(_stated(given))
    if wanted.name == "professional_role_id":
        return pc.replace_substring_regex(text, _FIRST_CODE, r"\1")
    return _lines(text) if wanted.name == "key_skills" else text


def _stated(column: pa.Array) -> pa.Array:
    """Return a column with null for NaN."""
    return _without(column, pc.is_nan(column)) if pa.types.is_floating(column.type) else column


def _without(column: pa.Array, flags: pa.Array) -> pa.Array:
    return pc.if_else(pc.fill_null(flags, fill_value=False), pa.scalar(None, column.type), column)


def _text(column: pa.Array) -> pa.Array:
    """Return a column as valid UTF-8; whole floating numbers as integers."""
    if pa.types.is_floating(column.type):
        column = column.cast(pa.int64())
    text = column.cast(pa.string())
    text.validate(full=True)
    return text


def _lines(skills: pa.Array) -> pa.Array:
    """Return skills one a line from JSON lists; other texts stay."""
    encoded = skills.dictionary_encode()
    values = [_skills(text) for text in encoded.dictionary.to_pylist()]
    return pa.array(values, pa.string()).take(encoded.indices)


def _skills(text: str) -> str:
    try:
        found = json.loads(text) if text.startswith("[") else None
    except ValueError:
        return text
    if not isinstance(found, list):
        return text
    return "\n".join(str(skill) for skill in found if skill is not None)
