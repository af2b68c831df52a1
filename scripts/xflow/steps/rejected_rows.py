"""Rejected rows as the mart keeps them, and the message about them."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from xflow.columns import ROW_ID
from xflow.domain.verdict import ContractRule
from xflow.schema import REJECTED_SCHEMA
from xflow.steps.input_objects import InputBatch, LocalInput
from xflow.steps.kinds import InputKind

EXAMPLES = 5
LONGEST_TEXT = 200
HINT_ROWS = 10_000


def rejected_batches(kind: InputKind, local: LocalInput, codes: npt.NDArray[np.uint8]) -> Iterator[pa.RecordBatch]:
    """Yield the rejected rows of an input in the order of their row ids within each rule and batch.

    Parameters
    ----------
    codes
        The code of a rule a row of the input; rows with 0 are left out.
    """
    if not codes.any():
        return
    for batch in local.batches():
        mine = codes[batch.row_ids]
        for code in np.unique(mine[mine > 0]):
            yield _rejected(kind, batch.take(mine == code), kind.rules(code), local)


def describe(kind: InputKind, local: LocalInput, codes: npt.NDArray[np.uint8]) -> str:
    """Return the broken rules with counts and advice, and up to five examples."""
    counts = np.bincount(codes, minlength=max(kind.rules) + 1)
    broken = [rule for rule in kind.rules if rule and counts[rule]]
    hints = {rule: _hint(kind, local, rule, codes == rule) for rule in broken if rule in kind.hinted}
    rules = "; ".join(f"{rule.label}: {counts[rule]} ({rule.advice}{hints.get(rule, '')})" for rule in broken)
    chosen = np.zeros_like(codes)
    share = max(EXAMPLES // max(len(broken), 1), 1)
    for rule in broken[:EXAMPLES]:
        rows = np.flatnonzero(codes == rule)[:share]
        chosen[rows] = rule
    examples = [row for batch in rejected_batches(kind, local, chosen) for row in batch.to_pylist()]
    shown = "; ".join(
        f"row {row[ROW_ID]} of {kind.entity} {row['entity_id']!r}: "
        f"{row['column_name']} = {row['bad_value']} ({row['rule']})"
        for row in examples
    )
    return f"{rules}. For example {shown}."


def _hint(kind: InputKind, local: LocalInput, rule: ContractRule, broken: npt.NDArray[np.bool_]) -> str:
    """Return what the first rows that broke a rule say of what would mend it."""
    first = np.zeros_like(broken)
    first[np.flatnonzero(broken)[:HINT_ROWS]] = True
    rows = [batch.take(first[batch.row_ids]).rows for batch in local.batches() if first[batch.row_ids].any()]
    hint = kind.hint(rule, pa.Table.from_batches(rows).combine_chunks().to_batches()[0])
    return f"; {hint}" if hint else ""


def _rejected(kind: InputKind, batch: InputBatch, rule: ContractRule, local: LocalInput) -> pa.RecordBatch:
    names, values = kind.offending(batch.rows, rule)
    columns = {
        ROW_ID: pa.array(batch.row_ids),
        "entity_id": _text(batch.rows.column(0)),
        "rule": pa.repeat(rule.label, batch.rows.num_rows),
        "column_name": _given(names, batch.rows.schema.names, local.columns.names),
        "bad_value": pc.fill_null(_text(values), "null"),
        "source_uri": pa.repeat(batch.source, batch.rows.num_rows),
    }
    return pa.RecordBatch.from_pydict(columns, schema=REJECTED_SCHEMA)


def _given(names: pa.Array, canonical: list[str], given: tuple[str, ...]) -> pa.Array:
    """Return columns by their names in the input's objects."""
    return pa.array(given).take(pc.index_in(names, pa.array(canonical)))


def _text(column: pa.Array) -> pa.Array:
    text = column.cast(pa.string())
    return pc.utf8_slice_codeunits(pc.replace_substring(text, "\0", "\\x00"), 0, LONGEST_TEXT)
