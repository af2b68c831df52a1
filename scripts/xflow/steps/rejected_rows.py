"""Rejected rows as the mart keeps them, and the message about them."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from xflow.columns import ROW_ID, SERIES_ID, TIMESTAMP
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
        mine = codes[batch.first_row : batch.first_row + batch.rows.num_rows]
        for code in np.unique(mine[mine > 0]):
            yield _rejected(batch, np.flatnonzero(mine == code), Rule(code), local)


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


def _rejected(batch: InputBatch, places: npt.NDArray[np.int64], rule: Rule, local: LocalInput) -> pa.RecordBatch:
    rows = batch.rows.take(pa.array(places))
    names, values = _offending(rows, rule, local)
    columns = {
        ROW_ID: pa.array(places + batch.first_row),
        SERIES_ID: _text(rows.column(SERIES_ID)),
        "rule": pa.array([rule.label] * len(places)),
        "column_name": names,
        "bad_value": pc.fill_null(values, "null"),
        "source_uri": pa.array([batch.source] * len(places)),
    }
    return pa.RecordBatch.from_pydict(columns, schema=REJECTED_SCHEMA)


def _offending(rows: pa.RecordBatch, rule: Rule, local: LocalInput) -> tuple[pa.Array, pa.Array]:
    """Return the name and the text of what broke the rule, a row each; names as in the input's objects."""
    exogenous = local.columns.exogenous
    if rule is not Rule.EXOGENOUS_NOT_FINITE:
        column = COLUMN.get(rule, TIMESTAMP)
        given = local.columns.names[rows.schema.names.index(column)]
        return pa.array([given] * rows.num_rows), _text(rows.column(column))
    finite = [np.isfinite(rows.column(name).to_numpy(zero_copy_only=False)) for name in exogenous]
    worst = pa.array(np.argmin(np.stack(finite), axis=0))
    return pa.array(exogenous).take(worst), pc.choose(worst, *(_text(rows.column(name)) for name in exogenous))


def _text(column: pa.Array) -> pa.Array:
    text = column.cast(pa.string())
    return pc.utf8_slice_codeunits(pc.replace_substring(text, "\0", "\\x00"), 0, LONGEST_TEXT)
