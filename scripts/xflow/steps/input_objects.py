"""The input's objects as local files, read in canonical batches."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from xflow.errors import InputChanged, InputUnreadable
from xflow.ports import ObjectStore
from xflow.refs import CheckedInput, ObjectRef
from xflow.steps.kinds import Columns

BATCH_ROWS = 65_536
BATCH_BYTES = 32 * 1024 * 1024  # of an object's columns as they are written, which is about what Arrow takes
READ_BYTES = 1024 * 1024
VERDICT = "rule"
ACCEPTED = 0


@dataclass(frozen=True, slots=True)
class InputBatch:
    """Rows of one object in canonical columns, with their row ids, int64."""

    rows: pa.RecordBatch
    row_ids: npt.NDArray[np.int64]
    source: str

    def take(self, flags: npt.NDArray[np.bool_]) -> "InputBatch":
        """Return the flagged rows."""
        if flags.all():
            return self
        return InputBatch(self.rows.filter(pa.array(flags)), self.row_ids[flags], self.source)


@dataclass(frozen=True, slots=True)
class LocalInput:
    """Local copies of an input's objects.

    Attributes
    ----------
    objects
        The objects in reading order, with their hash and number of rows.
    left_out
        Columns of theirs that are not read though nobody said so.
    """

    objects: tuple[ObjectRef, ...]
    columns: Columns
    folder: Path
    left_out: tuple[str, ...] = ()

    def batches(self) -> Iterator[InputBatch]:
        """Read all rows, one batch in memory at a time.

        Raises
        ------
        InputUnreadable
            An object is damaged.
        """
        first_row = 0
        for number, ref in enumerate(self.objects):
            if not ref.rows:
                continue  # its columns may be of any type
            with _readable(ref.uri, self.folder / str(number)) as file:
                names = self.columns.read(file.schema_arrow)
                for batch in file.iter_batches(_batch_rows(file), columns=names, use_threads=False):
                    row_ids = np.arange(first_row, first_row + batch.num_rows)
                    first_row += batch.num_rows
                    yield InputBatch(self.columns.canonical(batch, ref.uri), row_ids, ref.uri)


@contextmanager
def downloaded(store: ObjectStore, objects: Iterable[ObjectRef], columns: Columns) -> Iterator[LocalInput]:
    """Hold local copies of objects for the length of the block.

    An object without rows may have columns of any type: writers do not know that of a value that they have not seen.

    Raises
    ------
    InputUnreadable
        An object is not parquet, or its columns are not the pipeline's.
    InputChanged
        An object is no longer what its reference says.
    """
    with tempfile.TemporaryDirectory(prefix="xflow-") as folder:
        found, left_out = [], dict[str, None]()
        for number, ref in enumerate(objects):
            path = Path(folder) / str(number)
            pinned = store.download(ref, path)
            with _readable(ref.uri, path) as file:
                rows = file.metadata.num_rows
                if rows:
                    columns.check(file.schema_arrow, ref.uri)
                    left_out |= dict.fromkeys(columns.left_out(file.schema_arrow))
                found.append(pinned.model_copy(update={"rows": rows}))
        yield LocalInput(tuple(found), columns, Path(folder), tuple(left_out))


def accepted_batches(local: LocalInput, codes: npt.NDArray[np.uint8]) -> Iterator[InputBatch]:
    """Yield the accepted rows of an input, those with code 0; batches without any are left out."""
    for batch in local.batches():
        accepted = batch.take(codes[batch.row_ids] == ACCEPTED)
        if accepted.rows.num_rows:
            yield accepted


def verdict_bytes(codes: npt.NDArray[np.uint8]) -> bytes:
    """Return the verdict as parquet: one small integer a row, in reading order."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({VERDICT: codes}), sink, compression="zstd")
    written: bytes = sink.getvalue().to_pybytes()
    return written


def read_verdict(store: ObjectStore, checked: CheckedInput) -> npt.NDArray[np.uint8]:
    """Return the rule code of every row.

    Raises
    ------
    InputChanged
        It does not cover the input's rows.
    """
    table = pq.read_table(pa.BufferReader(store.get(checked.verdict)))
    codes: npt.NDArray[np.uint8] = table.column(VERDICT).to_numpy()
    if len(codes) != checked.rows_in or np.count_nonzero(codes) != checked.rows_rejected:
        raise InputChanged(f"{checked.verdict.uri}: not the verdict of this input. Start a new run.")
    return codes


def _batch_rows(file: pq.ParquetFile) -> int:
    """Return how many rows to read at a time: fewer of long texts than of numbers."""
    meta = file.metadata
    size: int = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
    return max(1, min(BATCH_ROWS, BATCH_BYTES * int(meta.num_rows) // max(size, 1)))


@contextmanager
def _readable(uri: str, path: Path) -> Iterator[pq.ParquetFile]:
    """Hold a local copy of an object open as parquet for the length of the block.

    Raises
    ------
    InputUnreadable
        It is not parquet, or damaged; the message says what it seems to be.
    """
    try:
        with pq.ParquetFile(path, buffer_size=READ_BYTES, pre_buffer=False) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputUnreadable(f"{uri}: not readable as parquet ({reason}). {not_parquet(path)}") from error


def not_parquet(path: Path) -> str:
    """Return what to do about a file that cannot be read as parquet, by what it begins with."""
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        return "It has 0 bytes: upload it again."
    if start == b"PARE":
        return "Its footer is encrypted: write it without encryption."
    if start == b"PAR1":
        return "It is damaged or cut off: write the object again."
    kinds = {b"\x1f\x8b": "gzip", b"PK": "zip", b"BZ": "bzip2", b"\x28\xb5": "zstd", b"OR": "ORC", b"Ob": "Avro"}
    found = kinds.get(start[:2])
    if found:
        return f"It is a file of {found}: bring parquet, which is compressed inside."
    return (
        f"It begins with {start!r}: bring parquet. What is no input, as a readme, does not belong below the prefix; "
        "a name that begins with _ or . hides it."
    )
