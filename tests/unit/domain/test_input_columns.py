"""Which columns an input may have, and how they become canonical."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from xflow.domain.input_columns import InputColumns
from xflow.domain.object_columns import UNREADABLE
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
        *(pa.array([b"a", b"b"], kind) for kind in (pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(1))),
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


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("remark", "declare it under input.exogenous when it is known ahead, name it under input.ignore"),
        ("Remark", "unexpected column 'Remark': name it under input.ignore"),  # no name that exogenous columns may have
        ("run_key", "unexpected column 'run_key': name it under input.ignore"),
    ],
)
def test_a_column_too_many_is_named_with_what_can_be_done(name, advice):
    assert advice in refusal(**{name: pa.array([0, 1])})
    followed = InputColumns(ignore=(name,))
    assert canonical(followed, **{name: pa.array([0, 1])}).schema.names == ["series_id", "timestamp", "value"]


@pytest.mark.parametrize("name", ["__index_level_0__", "__index_level_12__", "__null_dask_index__"])
def test_an_index_that_was_written_with_the_data_is_left_out(name):
    batch = pa.RecordBatch.from_pydict({**GIVEN, name: pa.array([0, 1])})
    assert canonical(**{name: pa.array([0, 1])}).num_columns == 3
    assert PLAIN.left_out(batch.schema) == (name,)
    assert InputColumns(ignore=(name,)).left_out(batch.schema) == ()
    assert InputColumns("series_id", "timestamp", name).read(batch.schema)[2] == name


def test_names_that_differ_by_case_alone_are_taken():
    columns = InputColumns(exogenous=("price",))
    batch = pa.RecordBatch.from_pydict({"SERIES_ID": ["a"], "TimeStamp": TIMES[:1], "VALUE": [1.0], "Price": [2.0]})
    columns.check(batch.schema, "s3://b/k")
    assert columns.canonical(batch, "s3://b/k").column("price").to_pylist() == [2.0]


def test_of_names_that_differ_by_case_the_exact_one_counts_and_two_others_are_too_many():
    assert "unexpected column 'VALUE'" in refusal(VALUE=pa.array([1, 2]))
    message = refusal(without=["value"], VALUE=pa.array([1, 2]), Value=pa.array([1, 2]))
    assert "column 'value' appears 2 times (VALUE, Value): write it once, or correct input.columns" in message
    canonical(InputColumns(value="Value", ignore=("VALUE", "value")), VALUE=pa.array([1, 2]), Value=pa.array([1, 2]))


@pytest.mark.parametrize(
    ("series", "wanted"),
    [
        (pa.array([7, None]), ["7", None]),
        (pa.array([7, 8], pa.uint64()), ["7", "8"]),
        (pa.array([7, 8], pa.int32()).dictionary_encode(), ["7", "8"]),
        (pa.array([7.0, float("nan")]), ["7", None]),
        (pa.array([Decimal(7), Decimal(8)], pa.decimal128(38, 0)), ["7", "8"]),
        (pa.array([Decimal("7.00"), None], pa.decimal256(50, 2)), ["7", None]),
        (pa.array([b"0" * 16, None], pa.uuid()), ["30303030-3030-3030-3030-303030303030", None]),
    ],
    ids=lambda array: str(getattr(array, "type", "")),
)
def test_ids_that_are_whole_numbers_become_text(series, wanted):
    assert canonical(series_id=series).column("series_id").to_pylist() == wanted


@pytest.mark.parametrize("series", [pa.array([1.5, 2.0]), pa.array([2.0**53, 1.0]), pa.array([b"a", b"\xff"])])
def test_ids_that_are_no_whole_number_or_no_text_are_refused(series):
    with pytest.raises(
        InputUnreadable, match=r"column 'series_id' cannot be read as ids .*UTF-8, ids and counts as whole"
    ):
        canonical(series_id=series)


@pytest.mark.parametrize(
    ("name", "array", "text"),
    [
        ("series_id", pa.array([True, False]), "column 'series_id' is bool, wanted text or whole numbers: convert"),
        ("timestamp", pa.array([1, 2]), "column 'timestamp' is int64, wanted timestamp, date or ISO text: a number"),
        ("value", pa.array(["1", "2"]), "column 'value' is string, wanted number: write numbers, as pandas.to_numeric"),
        ("value", pa.array([True, False]), "column 'value' is bool, wanted number: write 0 and 1"),
        ("value", pa.array([[1.0], [2.0]]), "column 'value' is list<item: double>, wanted number: write one value"),
        ("value", pa.array([{"x": 1.0}] * 2), "wanted number: write the struct's fields as columns of their own"),
        ("value", TIMES, "column 'value' is timestamp[s], wanted number: convert it before it is written"),
    ],
)
def test_a_wrong_type_is_named_with_the_wanted_one(name, array, text):
    assert text in refusal(**{name: array})


def test_a_column_of_nothing_but_nulls_has_no_type():
    nothing = {name: pa.nulls(2) for name in GIVEN}
    assert canonical(**nothing).to_pylist() == [dict.fromkeys(GIVEN)] * 2


def test_texts_of_iso_times_are_read_and_others_kept():
    texts = pa.array(["2024-02-01", "2024-02-01T03:00:00+0300", "01.02.2024", "", None])
    read = PLAIN.canonical(
        pa.RecordBatch.from_pydict({"series_id": list("abcde"), "timestamp": texts, "value": [1] * 5}), ""
    )
    day = dt.datetime(2024, 2, 1)
    assert [time and time.to_pydatetime() for time in read.column("timestamp").to_pylist()] == [
        day,
        day,
        None,
        None,
        None,
    ]
    assert read.column(UNREADABLE).to_pylist() == [
        None,
        None,
        {"column": "timestamp", "text": "01.02.2024"},
        None,
        None,
    ]


def test_a_column_that_is_in_the_names_of_folders():
    message = refusal(without=["series_id"])
    assert "there are: timestamp, value" in message
    schema = pa.schema([("timestamp", TIMES.type), ("value", pa.float64())])
    with pytest.raises(InputUnreadable, match=r"names of folders are not read\. Write it into the objects"):
        PLAIN.check(schema, "s3://b/in/series_id=a/part-0.parquet")


def test_all_faults_of_an_object_come_at_once():
    message = refusal(InputColumns(exogenous=("price",)), value=pa.array(["1", "2"]), note=pa.array(["", ""]))
    assert all(name in message for name in ("'price' is missing", "'value' is string", "unexpected column 'note'"))


def test_a_repeated_column_is_refused():
    schema = pa.schema([("series_id", pa.string()), ("timestamp", TIMES.type), *[("value", pa.float64())] * 2])
    with pytest.raises(InputUnreadable, match="'value' appears 2 times"):
        InputColumns().check(schema, "s3://b/k")


@pytest.mark.parametrize("name", ["value ", "\ufeffvalue", " VALUE\r"])
def test_blanks_and_a_mark_of_byte_order_around_a_name(name):
    batch = pa.RecordBatch.from_pydict({"series_id": ["a"], "timestamp": TIMES[:1], name: [1.0]})
    PLAIN.check(batch.schema, "s3://b/k")
    assert PLAIN.canonical(batch, "s3://b/k").column("value").to_pylist() == [1.0]


def test_periods_of_pandas_are_to_be_written_as_their_starts():
    periods = pa.array(pd.period_range("2024-01", periods=2, freq="M"))
    assert "write the periods' starts, as column.dt.to_timestamp() does" in refusal(timestamp=periods)


def test_a_time_that_is_not_utf8_is_refused():
    with pytest.raises(InputUnreadable, match="column 'timestamp' cannot be read as times"):
        canonical(timestamp=pa.array([b"2024-01-01", b"\xff"]))


def test_text_that_is_not_utf8_is_refused():
    broken = pa.array([b"a", b"\xff"]).view(pa.string())
    with pytest.raises(InputUnreadable, match="Write texts as UTF-8"):
        canonical(series_id=broken)
