"""Which columns an input may have, and how they become canonical."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from xflow.domain.input_columns import InputColumns
from xflow.errors import InputUnreadable

TIMES = pa.array([0, 86_400], pa.timestamp("s"))
PLAIN = InputColumns()
GIVEN = {"series_id": pa.array(["a", "b"]), "timestamp": TIMES, "value": pa.array([1.0, None])}


def canonical(columns=PLAIN, **changed):
    batch = pa.RecordBatch.from_pydict(GIVEN | changed)
    columns.check(batch.schema, "s3://b/k")
    return columns.canonical(batch, "s3://b/k")


def refusal(columns=PLAIN, *, without=(), **changed):
    schema = pa.RecordBatch.from_pydict({k: v for k, v in (GIVEN | changed).items() if k not in without}).schema
    with pytest.raises(InputUnreadable) as caught:
        columns.check(schema, "s3://b/k")
    return str(caught.value)


@pytest.mark.parametrize(
    "series",
    [
        pa.array(["a", "b"], pa.large_string()),
        pa.array(["a", "b"], pa.string_view()),
        pa.array(["a", "b"]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int8()), pa.array(["b", "a"], pa.large_string())),
    ],
    ids=lambda array: str(array.type),
)
def test_texts_of_every_layout_are_read(series):
    assert canonical(series_id=series).column("series_id").to_pylist() == ["a", "b"]


@pytest.mark.parametrize(
    "times",
    [
        *(TIMES.cast(pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")),
        *(TIMES.cast(pa.timestamp(unit, "Europe/Moscow")) for unit in ("s", "ns")),
        pa.array([dt.date(1970, 1, 1), dt.date(1970, 1, 2)], pa.date32()),
        pa.array([dt.date(1970, 1, 1), dt.date(1970, 1, 2)], pa.date64()),
    ],
    ids=lambda array: str(array.type),
)
def test_times_of_every_layout_become_utc_without_a_zone(times):
    read = canonical(timestamp=times).column("timestamp")
    assert read.type.tz is None
    assert read.to_numpy().astype("M8[s]").tolist() == TIMES.to_numpy().tolist()


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.uint64(), pa.float16(), pa.float32(), pa.decimal128(9, 2)])
def test_numbers_of_every_layout_become_floats(kind):
    numbers = [Decimal(1), None] if pa.types.is_decimal(kind) else [np.float16(1) if kind == pa.float16() else 1, None]
    read = canonical(value=pa.array(numbers, kind)).column("value")
    assert (read.type, read.to_pylist()) == (pa.float64(), [1.0, None])


def test_other_names_and_exogenous_columns_are_taken_in_their_order():
    columns = InputColumns("unique_id", "ds", "y", ("holiday", "price"))
    batch = pa.RecordBatch.from_pydict(
        {"price": [2, 3], "y": [1.0, 2.0], "holiday": [True, False], "ds": TIMES, "unique_id": ["a", "b"]}
    )
    columns.check(batch.schema, "s3://b/k")
    read = columns.canonical(batch, "s3://b/k")
    assert read.schema.names == ["series_id", "timestamp", "value", "holiday", "price"]
    assert read.column("holiday").to_pylist() == [1.0, 0.0]


def test_a_missing_column_is_named_with_those_there_are():
    message = refusal(without=["timestamp"])
    assert "s3://b/k: column 'timestamp' is missing (there are: series_id, value)" in message
    assert "input.columns" in message


def test_a_column_too_many_is_named_with_what_to_do():
    message = refusal(__index_level_0__=pa.array([0, 1]))
    assert "unexpected column '__index_level_0__': declare it under input.exogenous" in message
    assert message.endswith("or drop it")


@pytest.mark.parametrize(
    ("name", "array", "text"),
    [
        ("series_id", pa.array([1, 2]), "column 'series_id' is int64, wanted string"),
        ("series_id", pa.array([b"a", b"b"]), "column 'series_id' is binary, wanted string"),
        ("timestamp", pa.array(["2024-01-01", "2024-02-01"]), "column 'timestamp' is string, wanted timestamp or date"),
        ("timestamp", pa.array([1, 2]), "column 'timestamp' is int64, wanted timestamp or date"),
        ("value", pa.array(["1", "2"]), "column 'value' is string, wanted double"),
        ("value", pa.array([True, False]), "column 'value' is bool, wanted double"),
        ("value", pa.array([None, None]), "column 'value' is null, wanted double"),
        ("value", pa.array([[1.0], [2.0]]), "column 'value' is list<item: double>, wanted double"),
    ],
)
def test_a_wrong_type_is_named_with_the_wanted_one(name, array, text):
    assert text in refusal(**{name: array})


def test_all_faults_of_an_object_come_at_once():
    message = refusal(InputColumns(exogenous=("price",)), value=pa.array(["1", "2"]), note=pa.array(["", ""]))
    assert all(name in message for name in ("'price' is missing", "'value' is string", "unexpected column 'note'"))


def test_a_repeated_column_is_refused():
    schema = pa.schema([("series_id", pa.string()), ("timestamp", TIMES.type), *[("value", pa.float64())] * 2])
    with pytest.raises(InputUnreadable, match="'value' appears 2 times"):
        InputColumns().check(schema, "s3://b/k")


def test_text_that_is_not_utf8_is_refused():
    broken = pa.array([b"a", b"\xff"]).view(pa.string())
    with pytest.raises(InputUnreadable, match="not UTF-8"):
        canonical(series_id=broken)
