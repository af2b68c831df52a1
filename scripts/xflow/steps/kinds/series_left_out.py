"""The series of an input that no model sees, and why: the output says so instead of nothing."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from xflow.columns import SERIES_ID
from xflow.domain.rules import Rule
from xflow.ports import ObjectStore
from xflow.refs import CheckedInput
from xflow.steps.input_objects import downloaded, read_verdict

if TYPE_CHECKING:
    from xflow.steps.kinds.series_input import SeriesInput


@dataclass(slots=True)
class LeftOut:
    """A series without features: its first row, an accepted one where there is one, and its rows by rule."""

    row_id: int
    rules: Counter[Rule] = field(default_factory=Counter)

    def why(self, as_of: str) -> str:
        """Return why the series has no forecast."""
        broken = ", ".join(rule.label for rule, _ in self.rules.most_common() if rule)
        if not self.rules[Rule.ACCEPTED]:
            return f"no forecast: all its rows were rejected ({broken})"
        rejected = f"; other rows were rejected ({broken})" if broken else ""
        return f"no forecast: no value up to {as_of}{rejected}"


def left_out(
    kind: "SeriesInput", known: npt.NDArray[np.object_], checked: CheckedInput, store: ObjectStore
) -> dict[str, LeftOut]:
    """Return the series of an input, sorted by name, that are not among those known to the feature set.

    Rows without a name that a text can hold are in no series. The input is read only when a row was rejected, or a
    series has too few rows accepted.
    """
    if not checked.rows_rejected and len(known) >= checked.entities:
        return {}
    codes, names = read_verdict(store, checked), set(known.tolist())
    found: dict[str, LeftOut] = {}
    with downloaded(store, checked.objects, kind.columns) as local:
        for batch in local.batches():
            _count(batch.rows.column(SERIES_ID), batch.row_ids, codes[batch.row_ids], names, found)
    return dict(sorted(found.items()))


def _count(
    ids: pa.Array,
    row_ids: npt.NDArray[np.int64],
    codes: npt.NDArray[np.uint8],
    known: set[str],
    found: dict[str, LeftOut],
) -> None:
    """Count the rows of one batch by series and rule, for the series that are not known."""
    encoded = ids.dictionary_encode()
    names = encoded.dictionary.to_pylist()
    strange = np.array([bool(name) and "\0" not in name and name not in known for name in names] + [False])
    places = encoded.indices.fill_null(len(names)).to_numpy()
    mine = np.flatnonzero(strange[places])
    pairs = places[mine].astype(np.int64) * 256 + codes[mine]
    for pair, first, rows in zip(*np.unique(pairs, return_index=True, return_counts=True), strict=True):
        name, rule, row_id = names[pair // 256], Rule(pair % 256), int(row_ids[mine[first]])
        each = found.setdefault(name, LeftOut(row_id))
        if rule == Rule.ACCEPTED and not each.rules[rule]:
            each.row_id = row_id
        each.rules[rule] += int(rows)
