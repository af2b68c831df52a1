"""Rows for the tests of the mart, and what is found of them there."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import psycopg2
import psycopg2.extras
import pyarrow as pa

from xflow.ports import Mart, TableRows
from xflow.refs import RunKey
from xflow.schema import REJECTED_SCHEMA, input_schema, series_tables
from xflow.settings import Settings

INPUT = input_schema(("price",))
LEVELS = (0.8, 0.95)
TABLES = series_tables(("price",), LEVELS)
START = datetime(2020, 1, 1)
EXACT = "-c extra_float_digits=3"  # of a session that reads floats: the tests' accounts have another default


def batch(rows: int, first: int = 0) -> pa.RecordBatch:
    ids = range(first, first + rows)
    columns = {
        "row_id": list(ids),
        "series_id": [f"s{i}" for i in ids],
        "timestamp": [START] * rows,
        "value": [float(i) for i in ids],
        "price": [None] * rows,
    }
    return pa.RecordBatch.from_pydict(columns, INPUT)


def input_rows(key: RunKey, batches: Iterable[pa.RecordBatch]) -> TableRows:
    return TableRows(f"{key.pipeline}_input", INPUT, batches)


def rejected_rows(rows: int) -> TableRows:
    columns = {
        "row_id": list(range(rows)),
        "entity_id": [None] * rows,
        "rule": ["missing_id"] * rows,
        "column_name": ["series_id"] * rows,
        "bad_value": [None] * rows,
        "source_uri": ["s3://b/k"] * rows,
    }
    return TableRows("rejected_row", REJECTED_SCHEMA, [pa.RecordBatch.from_pydict(columns, REJECTED_SCHEMA)])


def figures(mart: Mart, key: RunKey) -> tuple[int, int, Mapping[str, object]]:
    run = {name: value for name, value in (mart.run(key) or {}).items() if not name.endswith("_at")}
    return mart.count(key, f"{key.pipeline}_input"), mart.count(key, "rejected_row"), run


def select(stores: Settings, query: str, *arguments: object) -> list[dict[str, object]]:
    connection = psycopg2.connect(stores.greenplum_dsn, cursor_factory=psycopg2.extras.RealDictCursor, options=EXACT)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(query, arguments)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()
