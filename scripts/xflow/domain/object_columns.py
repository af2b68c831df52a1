"""How the columns that are wanted are found in an input's objects: by name, by name but for its case, or not."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from xflow.domain.arrow_types import as_text, as_times
from xflow.errors import InputUnreadable

INDEX = re.compile(r"__index_level_\d+__|__null_dask_index__")
"""What pandas and Dask call an index without a name that was written with the data; nothing is meant by it."""

UNREADABLE = "unreadable"
"""Last column of a canonical batch: canonical name and text of a row's first time that is none, or null."""

UNREADABLE_TYPE = pa.struct([("column", pa.string()), ("text", pa.string())])


def found_names(
    names: Sequence[str], wanted: Collection[str], ignore: Collection[str] = ()
) -> Mapping[str, tuple[str, ...]]:
    """Return by what names an object has each wanted column: none, one, or several, which is one too many.

    A name counts exactly as it is written; where there is none such, names that differ by their case alone count, or by
    blanks and marks of byte order around them.

    Parameters
    ----------
    names
        Of the object's columns.
    ignore
        Names that are not looked at.
    """
    given = [name for name in names if name not in ignore]
    exact = {name: tuple(each for each in given if each == name) for name in wanted}
    left = [name for name in given if not exact.get(name)]
    return {name: exact[name] or tuple(each for each in left if _alike(each) == _alike(name)) for name in exact}


def _alike(name: str) -> str:
    return name.strip("\ufeff \t\r\n").casefold()


def absence(name: str, found: Sequence[str], schema: pa.Schema, source: str) -> str:
    """Return what is wrong with a column that an object has not exactly once, and what to do.

    Parameters
    ----------
    found
        The names by which it is there.
    """
    if found:
        how = f"appears {len(found)} times ({', '.join(found)})"
    elif f"/{name}=" in source:
        return (
            f"column {name!r} is missing: names of folders are not read. Write it into the objects, beside the "
            "other columns"
        )
    else:
        how = f"is missing (there are: {', '.join(schema.names)})"
    return f"column {name!r} {how}: write it once, or correct input.columns in the pipeline's YAML"


def left_out(schema: pa.Schema, known: Collection[str]) -> tuple[str, ...]:
    """Return the columns of an index that nobody named; they are left out."""
    return tuple(name for name in schema.names if name not in known and INDEX.fullmatch(name))


def unexpected(schema: pa.Schema, known: Collection[str]) -> list[str]:
    """Return the columns that are neither known nor left out, each once."""
    return [name for name in dict.fromkeys(schema.names) if name not in known and not INDEX.fullmatch(name)]


@contextmanager
def valid(what: str) -> Iterator[None]:
    """Tell of a column whose type is right and whose content is not.

    Raises
    ------
    InputUnreadable
        A text is not UTF-8, or a number that must be whole is not.
    """
    try:
        yield
    except pa.ArrowInvalid as error:
        advice = "Write texts as UTF-8, ids and counts as whole numbers, flags as true and false."
        raise InputUnreadable(f"{what} ({error}). {advice}") from error


class UnreadableTimes:
    """Reads times, and collects the first of every row that is none.

    Parameters
    ----------
    rows
        Of the batch.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._columns: npt.NDArray[np.object_] | None = None
        self._texts: npt.NDArray[np.object_] | None = None

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self._columns is not None

    def times(self, column: str, given: pa.Array, timezone: str | None = None) -> pa.Array:
        """Return what `as_times` reads from a column."""
        times, wrong = as_times(given, timezone)
        self.note(column, given, wrong)
        return times

    def note(self, column: str, given: pa.Array, wrong: npt.NDArray[np.bool_]) -> None:
        """Keep the text of the flagged rows, where nothing was wrong before."""
        if not wrong.any():
            return
        if self._columns is None or self._texts is None:
            self._columns, self._texts = (np.full(self._rows, None, dtype=object) for _ in range(2))
        new = wrong & pd.isna(self._columns)
        self._columns[new] = column
        self._texts[new] = as_text(given).filter(pa.array(new)).to_pylist()

    def array(self) -> pa.Array:
        """Return the column `UNREADABLE`."""
        if self._columns is None:
            return pa.nulls(self._rows, UNREADABLE_TYPE)
        names, texts = pa.array(self._columns, pa.string()), pa.array(self._texts, pa.string())
        return pa.StructArray.from_arrays([names, texts], fields=list(UNREADABLE_TYPE), mask=names.is_null())
