"""What the rows of a request may cost, looked at before they are made: a small body may stand for many of them."""

import csv
import io
from collections.abc import Iterable
from typing import NoReturn

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xflow.domain.vacancies.text import clean
from xflow.serving.problems import Problem

MOST_COLUMNS = 200
"""Of a table; models have far fewer."""
MOST_LISTED = 50_000
"""Of vacancies that are read at all: each faulty one has faults of its own to be told."""


def check_rows(data: object, most: int) -> None:
    """Check a table in JSON: a list of rows, an object of columns, or an object with `columns` and `data`.

    Raises
    ------
    Problem
        422: it has more than `most` rows, or more than `MOST_COLUMNS` columns. pandas fills up what rows leave out.
    """
    if isinstance(data, dict):
        _check_shape(max((len(each) for each in data.values() if isinstance(each, list)), default=0), len(data), most)
        for each in data.values():
            check_rows(each, max(most, MOST_COLUMNS))
    elif isinstance(data, list):
        _check_shape(len(data), max((len(row) for row in data if isinstance(row, list)), default=0), most)
        _check_shape(0, len({name for row in data if isinstance(row, dict) for name in row}), most)


def check_csv(text: str, most: int) -> None:
    """Check a table in CSV; see `check_rows`."""
    columns = 0
    try:
        for rows, row in enumerate(csv.reader(io.StringIO(text, newline=""))):
            columns = max(columns, len(row))
            _check_shape(rows, columns, most)
    except csv.Error as error:
        raise ValueError(str(error)) from error


def check_parquet(body: bytes, most: int, most_bytes: int) -> None:
    """Check a table in parquet by its footer, and its texts before they are repeated row by row; see `check_rows`.

    Parameters
    ----------
    most_bytes
        Of the table once it is decoded.
    """
    file = pq.ParquetFile(io.BytesIO(body))
    found = file.metadata
    _check_shape(found.num_rows, found.num_columns, most)
    groups = [found.row_group(i).total_byte_size for i in range(found.num_row_groups)]
    if sum(groups) > most_bytes:
        _too_many(f"{sum(groups)} bytes when decoded", f"{most_bytes} bytes")
    for field in file.schema_arrow:
        if not any(is_plain(_values(field.type)) for is_plain in PLAIN):
            raise Problem(400, f"a column of {field.type}: send texts, numbers and times", {"body": "other types"})
    names = [field.name for field in file.schema_arrow if _is_text(_values(field.type))]
    table = pq.read_table(io.BytesIO(body), columns=names, read_dictionary=names)
    size = sum(map(_text_bytes, table.columns))
    if size > most_bytes:
        _too_many(f"{size} bytes of text when decoded", f"{most_bytes} bytes")


def _values(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


PLAIN = (
    _is_text,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_temporal,
    pa.types.is_null,
)
"""Types whose values have a size of their own: lists and bytes of a fixed width have any."""


def _text_bytes(column: pa.ChunkedArray) -> int:
    """Return how many bytes the texts of a column have, each as often as it comes."""
    size = 0
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk)
        if pa.types.is_dictionary(chunk.type):
            lengths = lengths.take(chunk.indices)
        size += pc.sum(lengths.cast(pa.int64())).as_py() or 0
    return size


def check_characters(texts: Iterable[str | None], most: int, field: str) -> int:
    """Return how many characters texts have once they are cleaned.

    Raises
    ------
    Problem
        422: more than `most`. Models read them one by one.
    """
    size = 0
    for text in texts:
        size += len(clean(text))
        if size > most:
            detail = f"the texts have more than {most} characters: send fewer rows at once"
            raise Problem(422, detail, {field: f"more than {most} characters"})
    return size


def _check_shape(rows: int, columns: int, most: int) -> None:
    if rows > most:
        _too_many(f"{rows} rows", str(most))
    if columns > MOST_COLUMNS:
        _too_many(f"{columns} columns", str(MOST_COLUMNS))


def _too_many(found: str, most: str) -> NoReturn:
    raise Problem(422, f"the table has {found}: send at most {most}", {"body": "too many"})
