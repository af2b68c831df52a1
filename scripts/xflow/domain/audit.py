"""What an audit finds: figures that agree or do not, and the first rows that differ."""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

Row = dict[str, Any]
EXAMPLES = 5


class State(StrEnum):
    """What became of a check."""

    OK = "ok"
    FAULT = "fault"
    PURGED = "purged"
    """Gone by policy, which is no fault."""
    OPEN = "not checked"
    """What it needs is not there, for a reason that is no fault by itself or that another check names."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: on which store, what, what came of it, and the figures."""

    place: str
    what: str
    state: State
    detail: str


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain behind a prediction: what it is, where it lies, and what tells it apart."""

    what: str
    where: str
    facts: dict[str, str]


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found of a run; `chain` is that of the prediction `prediction_id`, empty where there is none."""

    run_key: str
    state: str
    checks: tuple[Check, ...]
    prediction_id: str = ""
    chain: tuple[Link, ...] = ()

    @property
    def faults(self) -> tuple[Check, ...]:
        """The checks that found a fault."""
        return tuple(check for check in self.checks if check.state is State.FAULT)

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"ok": not self.faults, **asdict(self)}


def agree(place: str, what: str, **figures: object) -> Check:
    """Check that figures from several places are one and the same; a name's ``_`` stand for spaces."""
    values = list(figures.values())
    named = [(name.replace("_", " "), value) for name, value in figures.items()]
    if all(value == values[0] for value in values):
        return Check(place, what, State.OK, f"{_shown(values[0])} in {', '.join(name for name, _ in named)}")
    return Check(place, what, State.FAULT, ", ".join(f"{name} {_shown(value)}" for name, value in named))


@dataclass(frozen=True, slots=True)
class Difference:
    """How rows found differ from rows expected: counts, and the first examples in words."""

    missing: int = 0
    surplus: int = 0
    changed: int = 0
    examples: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        """Return all of it in a line."""
        counts = {"missing": self.missing, "too many": self.surplus, "changed": self.changed}
        said = ", ".join(f"{count} rows {name}" for name, count in counts.items() if count) or "rows in another order"
        return said + (f": {'; '.join(self.examples)}" if self.examples else "")


def difference(
    expected: Iterable[Row], found: Iterable[Row], name: str, rank: Callable[[Any], Any] = lambda value: value
) -> Difference:
    """Compare rows that both come in the order of the column `name`, by way of `rank`, one of each in memory.

    Null and NaN equal themselves.
    """
    counts = dict.fromkeys(("missing", "surplus", "changed"), 0)
    examples: list[str] = []
    for kind, text in _differences(iter(expected), iter(found), name, rank):
        counts[kind] += 1
        if len(examples) < EXAMPLES:
            examples.append(text)
    return Difference(**counts, examples=tuple(examples))


def changed_columns(expected: Row, found: Row) -> list[str]:
    """Return in words the columns in which two rows differ."""
    return [
        f"{name} is {_shown(found.get(name))}, not {_shown(value)}"
        for name, value in expected.items()
        if found.get(name) != value and not (_is_nan(value) and _is_nan(found.get(name)))
    ]


def unordered(rows: Iterable[Mapping[str, Any]]) -> tuple[int, str]:
    """Return the number of rows, and a sum of their digests that is the same in whatever order they come."""
    count = total = 0
    for row in rows:
        count += 1
        total += int.from_bytes(hashlib.sha256(repr(sorted(row.items())).encode()).digest(), "big")
    return count, f"{total % 2**256:064x}"


def _differences(
    expected: Iterator[Row], found: Iterator[Row], name: str, rank: Callable[[Any], Any]
) -> Iterator[tuple[str, str]]:
    wanted, given = next(expected, None), next(found, None)
    while wanted is not None and given is not None:
        left, right = rank(wanted[name]), rank(given[name])
        if left < right:
            yield "missing", f"{name} {wanted[name]} is missing"
            wanted = next(expected, None)
        elif right < left:
            yield "surplus", f"{name} {given[name]} should not be there"
            given = next(found, None)
        else:
            if columns := changed_columns(wanted, given):
                yield "changed", f"{name} {wanted[name]}: {', '.join(columns)}"
            wanted, given = next(expected, None), next(found, None)
    for row in itertools.chain([wanted] if wanted else [], expected):
        yield "missing", f"{name} {row[name]} is missing"
    for row in itertools.chain([given] if given else [], found):
        yield "surplus", f"{name} {row[name]} should not be there"


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and value != value  # noqa: PLR0124  # NaN alone differs from itself


def _shown(value: object) -> str:
    return str(value)[:60]
