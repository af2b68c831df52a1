"""Rejected rows as the mart keeps them, and the message about them."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from xflow.columns import ROW_ID, SERIES_ID, TIMESTAMP
from xflow.domain.input_columns import InputColumns
from xflow.domain.rules import ADVICE, COLUMN, Rule
from xflow.schema import REJECTED_SCHEMA
from xflow.steps.input_objects import InputBatch, LocalInput

EXAMPLES = 5
LONGEST_TEXT = 200


def rejected_batches(local: LocalInput, codes: npt.NDArray[np.uint8]) -> Iterator[pa.RecordBatch]:
    """Yield the rejected rows of an input in the order of their row ids within each rule and batch.

    Parameters
    ----------
    codes
        A `Rule` a row of the input; rows with 0 are left out.
    """
    if not codes.any():
        return
    for batch in local.batches():
        mine = codes[batch.row_ids]
        for code in np.unique(mine[mine > 0]):
            yield _rejected(batch.take(mine == code), Rule(code), local.columns)


def describe(local: LocalInput, codes: npt.NDArray[np.uint8]) -> str:
    """Return the broken rules with counts and advice, and up to five examples."""
    counts = np.bincount(codes, minlength=len(Rule))
    broken = [rule for rule in Rule if rule and counts[rule]]
    rules = "; ".join(f"{rule.label}: {counts[rule]} ({ADVICE[rule]})" for rule in broken)
    chosen = np.zeros_like(codes)
    share = max(EXAMPLES // max(len(broken), 1), 1)
    for rule in broken[:EXAMPLES]:
        rows = np.flatnonzero(codes == rule)[:share]
        chosen[rows] = rule
    examples = [row for batch in rejected_batches(local, chosen) for row in batch.to_pylist()]
    shown = "; ".join(
        f"row {row[ROW_ID]} of series {row[SERIES_ID]!r}: {row['column_name']} = {row['bad_value']} ({row['rule']})"
        for row in examples
    )
    return f"{rules}. For example {shown}."


def _rejected(batch: InputBatch, rule: Rule, given: InputColumns) -> pa.RecordBatch:
    names, values = _offending(batch.rows, rule, given)
    columns = {
        ROW_ID: pa.array(batch.row_ids),
        SERIES_ID: _text(batch.rows.column(SERIES_ID)),
        "rule": pa.repeat(rule.label, batch.rows.num_rows),
        "column_name": names,
        "bad_value": pc.fill_null(values, "null"),
        "source_uri": pa.repeat(batch.source, batch.rows.num_rows),
    }
    return pa.RecordBatch.from_pydict(columns, schema=REJECTED_SCHEMA)


def _offending(rows: pa.RecordBatch, rule: Rule, given: InputColumns) -> tuple[pa.Array, pa.Array]:
    """Return the name and the text of what broke the rule, a row each; names as in the input's objects."""
    if rule is not Rule.EXOGENOUS_NOT_FINITE:
        column = COLUMN.get(rule, TIMESTAMP)
        name = given.names[rows.schema.names.index(column)]
        return pa.repeat(name, rows.num_rows), _text(rows.column(column))
    finite = [np.isfinite(rows.column(name).to_numpy(zero_copy_only=False)) for name in given.exogenous]
    worst = pa.array(np.argmin(np.stack(finite), axis=0))
    return pa.array(given.exogenous).take(worst), pc.choose(worst, *(_text(rows.column(n)) for n in given.exogenous))


def _text(column: pa.Array) -> pa.Array:
    text = column.cast(pa.string())
    return pc.utf8_slice_codeunits(pc.replace_substring(text, "\0", "\\x00"), 0, LONGEST_TEXT)
