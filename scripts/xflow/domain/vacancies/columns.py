"""The columns that an object of flat vacancies may have, and its batches in one canonical form."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from xflow.columns import RESPONSIBILITY, SNAPSHOT_AT, VACANCY_ID
from xflow.domain.arrow_types import Wanted, as_flags, as_numbers, as_text, misfit, stated, without
from xflow.domain.object_columns import (
    UNREADABLE,
    UnreadableTimes,
    absence,
    found_names,
    left_out,
    unexpected,
    valid,
)
from xflow.domain.vacancies.times import read_times
from xflow.errors import ConfigInvalid, InputUnreadable
from xflow.schema import VACANCY_SCHEMA

REQUIRED = (VACANCY_ID, SNAPSHOT_AT, RESPONSIBILITY)
"""Columns that every object has; all others may be absent and are null then."""

LISTS = ("key_skills", "professional_role_id")
"""Columns that may be lists."""

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
        found = self._found(schema)
        faults = [fault for wanted in VACANCY_SCHEMA if (fault := self._fault(schema, wanted, found, source))]
        known = {*(each for names in found.values() for each in names), *self.ignore}
        extra = unexpected(schema, known)
        if extra:
            faults.append(
                f"unexpected column {', '.join(map(repr, extra))}: correct its name, map it under input.columns in the "
                "pipeline's YAML, or name it under input.ignore"
            )
            nested = [name for name in extra if pa.types.is_nested(schema.field(schema.get_field_index(name)).type)]
            if nested:
                faults.append(
                    f"{', '.join(nested)}: write the fields as columns of their own, as salary_from and salary_to"
                )
        if faults:
            raise InputUnreadable(f"{source}: {'; '.join(faults)}")

    def canonical(self, batch: pa.RecordBatch, source: str) -> pa.RecordBatch:
        """Return a batch with the columns of `VACANCY_SCHEMA`, all nullable, and `UNREADABLE` as the last.

        Times are in UTC without a zone, in microseconds; one without a zone is taken as UTC. A number of
        NaN is null, and a salary of 0 too: some writers put it where none is stated. Ids that are whole
        numbers become text, of several roles the first counts, and skills lie one a line.

        Raises
        ------
        InputUnreadable
            A text is not UTF-8, or a number that must be whole is not.
        """
        columns, unreadable, found = [], UnreadableTimes(batch.num_rows), self._found(batch.schema)
        for wanted in VACANCY_SCHEMA:
            name = self.name(wanted.name)
            if not found[name]:
                columns.append(pa.nulls(batch.num_rows, wanted.type))
                continue
            given = batch.column(found[name][0])
            with valid(f"{source}: column {name!r} cannot be read as {wanted.type}"):
                if pa.types.is_timestamp(wanted.type):
                    times, wrong = read_times(given)
                    unreadable.note(wanted.name, given, wrong)
                    columns.append(times)
                else:
                    columns.append(_converted(given, wanted))
        return pa.RecordBatch.from_arrays([*columns, unreadable.array()], [*VACANCY_SCHEMA.names, UNREADABLE])

    def read(self, schema: pa.Schema) -> list[str]:
        """Return what an object calls the columns to read from it, `check` being passed."""
        return [each for names in self._found(schema).values() for each in names]

    def left_out(self, schema: pa.Schema) -> tuple[str, ...]:
        """Return the columns that are left out though nobody said so."""
        return left_out(schema, {*self.read(schema), *self.ignore})

    def _found(self, schema: pa.Schema) -> Mapping[str, tuple[str, ...]]:
        return found_names(schema.names, self.names, self.ignore)

    def _fault(
        self, schema: pa.Schema, wanted: pa.Field, found: Mapping[str, tuple[str, ...]], source: str
    ) -> str | None:
        name = self.name(wanted.name)
        if not found[name] and wanted.name not in REQUIRED and wanted.name not in self.given:
            return None
        if len(found[name]) != 1:
            return absence(name, found[name], schema, source)
        kind = schema.field(schema.get_field_index(found[name][0])).type
        if wanted.name in LISTS and pa.types.is_nested(kind):
            return None if _is_list(kind) else f"column {name!r} is {kind}: write texts, or lists of texts"
        fault = misfit(kind, _wanted(wanted))
        return fault and f"column {name!r} {fault}"


def _wanted(column: pa.Field) -> Wanted:
    """Return what a canonical column is made from."""
    if pa.types.is_string(column.type):
        return Wanted.ID if column.name.endswith("_id") else Wanted.TEXT
    if pa.types.is_timestamp(column.type):
        return Wanted.TIME
    return Wanted.FLAG if pa.types.is_boolean(column.type) else Wanted.NUMBER


def _converted(given: pa.Array, wanted: pa.Field) -> pa.Array:
    if pa.types.is_boolean(wanted.type):
        return as_flags(given)
    if not pa.types.is_string(wanted.type):
        number = stated(as_numbers(given))
        if wanted.name in {"salary_from", "salary_to"}:
            number = without(number, pc.equal(number, 0))
        return number.cast(wanted.type)
    text = _of_lists(given, wanted.name) if _is_list(given.type) else as_text(given)
    if wanted.name == "professional_role_id":
        return pc.replace_substring_regex(text, _FIRST_CODE, r"\1")
    return _lines(text) if wanted.name == "key_skills" else text


def _is_list(found: pa.DataType) -> bool:
    """Return whether a column has lists of what can be text."""
    lists = pa.types.is_list(found) or pa.types.is_large_list(found) or pa.types.is_fixed_size_list(found)
    return bool(lists and misfit(found.value_type, Wanted.ID) is None)


def _of_lists(lists: pa.Array, name: str) -> pa.Array:
    """Return the skills of each row one a line; of its roles the first."""
    rows = lists.cast(pa.list_(pa.string())).to_pylist()
    texts = [None if row is None else [text for text in row if text is not None] for row in rows]
    if name == "key_skills":
        return pa.array([None if each is None else "\n".join(each) for each in texts], pa.string())
    return pa.array([each[0] if each else None for each in texts], pa.string())


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
