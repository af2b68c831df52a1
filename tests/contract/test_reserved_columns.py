"""Exogenous columns called like words of SQL stand in the mart; those called like its system columns cannot."""

from datetime import datetime

import pyarrow as pa
import pytest
from mart_rows import select

from xflow.adapters.greenplum import GreenplumMart
from xflow.columns import RESERVED
from xflow.ports import TableRows
from xflow.refs import RunKey
from xflow.schema import series_tables
from xflow.settings import Settings

WORDS = ("order", "user", "limit", "select", "end", "log", "partition", "following", "kind", "state", "step")
WORDS += ("forecast", "run_id", "input_value", "pipeline")


@pytest.mark.services
def test_words_of_sql_are_columns(stores: Settings, key: RunKey) -> None:
    mart, tables = GreenplumMart(stores.greenplum_dsn), series_tables(WORDS, (0.8,))
    mart.prepare(key.pipeline, tables)
    mart.start_run(key, {})
    row = [0, "s", datetime(2026, 1, 1), 1.0, *map(float, range(len(WORDS)))]
    columns = [pa.array([value], field.type) for value, field in zip(row, tables.input, strict=True)]
    batch = pa.RecordBatch.from_arrays(columns, schema=tables.input)
    mart.load(key, [TableRows(f"{key.pipeline}_input", tables.input, [batch])], {})
    listed = ", ".join(f'"{word}"' for word in WORDS)
    (found,) = select(stores, f"SELECT {listed} FROM mart.{key.pipeline}_input WHERE run_key = %s", str(key))
    assert list(found.values()) == list(map(float, range(len(WORDS))))


@pytest.mark.services
def test_every_system_column_of_the_server_is_reserved(stores: Settings) -> None:
    names = select(stores, "SELECT DISTINCT attname FROM pg_catalog.pg_attribute WHERE attnum < 0")
    assert {row["attname"] for row in names} <= RESERVED
