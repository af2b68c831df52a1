"""Compare what came out of a training with what came out when it was repeated."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

TOLERANCE = 1e-9
"""Largest relative difference of two numbers that are called equal: sums in another order differ by about as much."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs.

    Attributes
    ----------
    what
        For example ``metrics.holdout_mase``.
    then, now
        As text.
    size
        Of numbers the relative difference, see `relative`; infinite of other values.
    """

    what: str
    then: str
    now: str
    size: float = math.inf


def relative(then: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Return ``|then - now| / max(|then|, |now|)`` element by element, shape as given.

    0 for equal values and for two NaN, infinite where one alone is NaN or infinite.
    """
    same = (then == now) | (np.isnan(then) & np.isnan(now))
    with np.errstate(invalid="ignore", divide="ignore"):
        size = np.abs(then - now) / np.maximum(np.abs(then), np.abs(now))
    return np.asarray(np.where(same, 0.0, np.where(np.isnan(size), np.inf, size)))


def compare_documents(then: Any, now: Any, name: str = "") -> list[Difference]:
    """Return every leaf that differs between two JSON documents, named by its path."""
    before, after = dict(_leaves(then, name)), dict(_leaves(now, name))
    found = []
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path, "absent"), after.get(path, "absent")
        if _is_number(old) and _is_number(new):
            size = float(relative(np.array(float(old)), np.array(float(new))))
            if size:
                found.append(Difference(path, repr(old), repr(new), size))
        elif old != new:
            found.append(Difference(path, str(old), str(new)))
    return found


def compare_tables(then: pa.Table, now: pa.Table, name: str) -> list[Difference]:
    """Return where two tables of predictions differ: the worst row of every column of numbers.

    Columns that are no floats name the rows, and must be equal.
    """
    if then.schema.names != now.schema.names or then.num_rows != now.num_rows:
        old, new = (f"{table.num_rows} rows of {', '.join(table.schema.names)}" for table in (then, now))
        return [Difference(name, old, new)]
    ids = [column for column in then.schema.names if not pa.types.is_floating(then.schema.field(column).type)]
    for column in ids:
        if then.column(column).to_pylist() != now.column(column).to_pylist():
            return [Difference(f"{name}: {column}", "other rows", "or in another order")]
    found = []
    for column in (column for column in then.schema.names if column not in ids):
        before, after = (table.column(column).to_numpy() for table in (then, now))
        sizes = relative(before, after)
        if sizes.any():
            worst = int(sizes.argmax())
            row = ", ".join(str(then.column(each)[worst].as_py()) for each in ids)
            what = f"{name}: {column} of {row} (the worst of {np.count_nonzero(sizes)} of {len(sizes)})"
            figures = repr(float(before[worst])), repr(float(after[worst]))
            found.append(Difference(what, *figures, size=float(sizes[worst])))
    return found


def _leaves(document: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(document, Mapping):
        for name, value in document.items():
            yield from _leaves(value, f"{path}.{name}".lstrip("."))
    elif isinstance(document, list | tuple):
        for number, value in enumerate(document):
            yield from _leaves(value, f"{path}.{number}".lstrip("."))
    else:
        yield path, document


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
