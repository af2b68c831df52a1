"""Arrow batches as PostgreSQL's binary COPY format.

Binary, because CSV cannot carry every text (a quoted line of backslash and dot is taken for the end of
the data by servers before PostgreSQL 17), and because the server is spared parsing numbers and timestamps.

Source of the format: PostgreSQL documentation, COPY, "Binary Format".
"""

from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
SLICE_ROWS = 16_384
PIECE_BYTES = 1024 * 1024
POSTGRES_EPOCH_US = 946_684_800_000_000  # 2000-01-01, microseconds after 1970-01-01

WIRE_TYPES = {pa.bool_(): "?", pa.int32(): ">i4", pa.int64(): ">i8", pa.timestamp("us"): ">i8", pa.float64(): ">f8"}
NULL = pa.scalar(b"\xff\xff\xff\xff", pa.binary())
NOTHING = pa.scalar(b"", pa.binary())


class CopyStream:
    """A file that psycopg2 reads while it copies; it draws from the batches as it goes.

    Parameters
    ----------
    run_key
        Value of the first column of every row.
    schema
        The columns that follow; see `column_order`.
    batches
        Arrow batches that can be cast to `schema`.

    Attributes
    ----------
    failure
        What the batches raised; psycopg2 reports no more than that reading failed.
    """

    def __init__(self, run_key: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        self.rows = 0
        self.failure: Exception | None = None
        self._pieces = self._encode(run_key, schema, batches)
        self._piece = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; none at the end."""
        try:
            while not self._piece:
                self._piece = memoryview(next(self._pieces))
        except StopIteration:
            return b""
        except Exception as error:
            self.failure = error
            raise
        taken, self._piece = self._piece[:size], self._piece[size:]
        return bytes(taken)

    def _encode(
        self, run_key: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
    ) -> Iterator[bytes | memoryview]:
        ordered = pa.schema([schema.field(name) for name in column_order(schema)])
        yield HEADER
        for batch in batches:
            rows = batch.select(ordered.names).cast(ordered)
            for at in range(0, rows.num_rows, SLICE_ROWS):
                yield encode(run_key, rows.slice(at, SLICE_ROWS))
            self.rows += rows.num_rows
        yield TRAILER


class StoredStream:
    """What a `CopyStream` gives, all of it in a file before the first byte is read.

    Parameters
    ----------
    stream
        Is read to its end; what its batches raise passes through.
    file
        Empty, for reading and writing.
    """

    def __init__(self, stream: CopyStream, file: IO[bytes]) -> None:
        while piece := stream.read(PIECE_BYTES):
            file.write(piece)
        file.seek(0)
        self.rows, self.failure = stream.rows, None
        self.read = file.read


def column_order(schema: pa.Schema) -> list[str]:
    """Return the columns as they are sent: those of fixed width first, since they pack as one block."""
    return sorted(schema.names, key=lambda name: schema.field(name).type == pa.string())


def encode(run_key: str, batch: pa.RecordBatch) -> memoryview:
    """Return the rows of a batch: per row a field count, then length and bytes of every field.

    Parameters
    ----------
    run_key
        Value of the first column.
    batch
        Columns of bool, int32, int64, float64, timestamp(us) and string, in the order of `column_order`.
        Null becomes NULL; NaN and the infinities stay what they are.
    """
    key = run_key.encode()
    fields = len(batch.schema.names) + 1
    start = fields.to_bytes(2, "big") + len(key).to_bytes(4, "big") + key
    cells: list[pa.Array | pa.Scalar] = [pa.scalar(start, pa.binary())]
    block: list[pa.Array] = []
    for column in batch.columns:
        if column.type in WIRE_TYPES and not column.null_count:
            block.append(column)
            continue
        cells += _fixed(block)
        block = []
        cells += _text(column) if column.type == pa.string() else _nullable(column)
    cells += _fixed(block)
    joined = pc.binary_join_element_wise(*cells, NOTHING)
    _, offsets, data = joined.buffers()
    return memoryview(data)[: int(np.frombuffer(offsets, np.int32)[len(joined)])]


def _fixed(columns: list[pa.Array]) -> list[pa.Array]:
    """Return columns of fixed width without nulls as one cell a row."""
    if not columns:
        return []
    layout = [entry for i, c in enumerate(columns) for entry in ((f"n{i}", ">i4"), (f"v{i}", WIRE_TYPES[c.type]))]
    rows = np.empty(len(columns[0]), dtype=layout)
    for i, column in enumerate(columns):
        rows[f"n{i}"] = np.dtype(WIRE_TYPES[column.type]).itemsize
        rows[f"v{i}"] = _numbers(column)
    return [_binary(rows)]


def _nullable(column: pa.Array) -> list[pa.Array]:
    filled = _fixed([column.fill_null(pa.scalar(0).cast(column.type))])[0]
    return [pc.if_else(column.is_valid(), filled, NULL)]


def _text(column: pa.Array) -> list[pa.Array]:
    lengths = pc.binary_length(column).fill_null(-1).to_numpy(zero_copy_only=False)
    return [_binary(lengths.astype(">i4")), column.cast(pa.binary()).fill_null(b"")]


def _numbers(column: pa.Array) -> npt.NDArray[np.generic]:
    if column.type == pa.timestamp("us"):
        microseconds: npt.NDArray[np.int64] = column.view(pa.int64()).to_numpy()
        return microseconds - POSTGRES_EPOCH_US
    numbers: npt.NDArray[np.generic] = column.to_numpy(zero_copy_only=False)
    return numbers


def _binary(rows: npt.NDArray[np.generic]) -> pa.Array:
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * rows.dtype.itemsize
    return pa.Array.from_buffers(pa.binary(), len(rows), [None, pa.py_buffer(offsets), pa.py_buffer(rows.tobytes())])
