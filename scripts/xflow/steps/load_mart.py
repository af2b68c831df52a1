"""Copy the input into the mart: accepted rows into the pipeline's table, rejected ones beside them."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from xflow.errors import InputChanged
from xflow.pipeline import AnyPipeline
from xflow.ports import Mart, ObjectStore, TableRows
from xflow.refs import CheckedInput, RunKey, TableLoad
from xflow.schema import REJECTED_SCHEMA
from xflow.steps.check_contract import ledger_facts
from xflow.steps.input_objects import LocalInput, accepted_batches, downloaded, read_verdict
from xflow.steps.kinds import input_kind
from xflow.steps.rejected_rows import rejected_batches


def load_mart(
    key: RunKey, pipeline: AnyPipeline, checked: CheckedInput, *, store: ObjectStore, mart: Mart
) -> list[TableLoad]:
    """Replace this run's rows in ``mart.<pipeline>_input`` and ``mart.rejected_row``, in one transaction.

    Returns
    -------
    list of TableLoad
        Their rows add up to ``checked.rows_in``.

    Raises
    ------
    InputChanged
        An object was replaced since the contract was checked; nothing is loaded then.
    """
    kind, codes = input_kind(pipeline), read_verdict(store, checked)
    with downloaded(store, checked.objects, kind.columns) as local:
        schema = kind.tables.input
        accepted = _counted(mart_rows(local, codes, schema), checked.rows_accepted)
        rejected = _counted(rejected_batches(kind, local, codes), checked.rows_rejected)
        tables = [
            TableRows(f"{pipeline.name}_input", schema, accepted),
            TableRows("rejected_row", REJECTED_SCHEMA, rejected),
        ]
        return mart.load(key, tables, ledger_facts(checked))


def mart_rows(local: LocalInput, codes: npt.NDArray[np.uint8], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the accepted rows of an input as the mart keeps them."""
    for batch in accepted_batches(local, codes):
        columns = [pa.array(batch.row_ids), *batch.rows.columns]
        # An instant may come in nanoseconds; the mart keeps microseconds.
        cast = [
            column.cast(field.type, safe=not pa.types.is_timestamp(field.type))
            for column, field in zip(columns, schema)
        ]
        yield pa.RecordBatch.from_arrays(cast, schema=schema)


def _counted(batches: Iterator[pa.RecordBatch], expected: int) -> Iterator[pa.RecordBatch]:
    """Pass batches on, and refuse another number of rows than the verdict counted."""
    seen = 0
    for batch in batches:
        seen += batch.num_rows
        yield batch
    if seen != expected:
        raise InputChanged(f"the verdict counts {expected} rows, the input holds {seen}. Run the task again.")
