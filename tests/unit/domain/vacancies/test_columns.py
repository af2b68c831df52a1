"""Which columns an object of vacancies may have, and how they become canonical."""

import datetime as dt
import os
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xflow.domain.object_columns import UNREADABLE
from xflow.domain.vacancies.columns import VacancyColumns
from xflow.domain.vacancies.contract import VacancyChecker
from xflow.errors import ConfigInvalid, InputUnreadable
from xflow.schema import VACANCY_SCHEMA
from xflow.settings import REPOSITORY

SNAPSHOT = dt.datetime(2023, 9, 4, 12, 45, 24)
GIVEN = {"vacancy_id": pa.array(["1"]), "snapshot_at": pa.array([SNAPSHOT]), "responsibility": pa.array(["Учить"])}

# What the dumps of real responses call their columns, as an `input` section would say it.
DUMP = {
    "vacancy_id": "id",
    "professional_role_id": "professional_role_ids",
    "professional_role": "professional_role_names",
}
DUMP_IGNORES = (
    *("employer_trusted", "created_at", "archived", "archived_in_detail", "type_id", "premium", "has_test"),
    *("specialization_names", "address_city", "lat", "lng", "in_search", "in_details", "pull", "src_file", "src_pos"),
)
FIRST_DUMP = (DUMP | {"published_at": "created_at"}, ("published_at", *(n for n in DUMP_IGNORES if n != "created_at")))


def read(columns=None, **changed):
    """Return the one row of an object, canonical, as a dict."""
    columns = columns or VacancyColumns()
    batch = pa.RecordBatch.from_pydict(GIVEN | changed)
    columns.check(batch.schema, "s3://b/k")
    (row,) = columns.canonical(batch, "s3://b/k").to_pylist()
    return row


def refusal(columns=None, *, without=(), **changed):
    schema = pa.RecordBatch.from_pydict({k: v for k, v in (GIVEN | changed).items() if k not in without}).schema
    with pytest.raises(InputUnreadable) as caught:
        (columns or VacancyColumns()).check(schema, "s3://b/k")
    return str(caught.value)


def test_the_canonical_form():
    columns = VacancyColumns()
    batch = columns.canonical(pa.RecordBatch.from_pydict(GIVEN), "s3://b/k")
    assert batch.schema.names == [*VACANCY_SCHEMA.names, UNREADABLE]
    assert batch.schema.types[:-1] == VACANCY_SCHEMA.types
    given = {"vacancy_id": "1", "snapshot_at": SNAPSHOT, "responsibility": "Учить"}
    assert batch.to_pylist() == [dict.fromkeys(batch.schema.names) | given]
    assert columns.names == tuple(VACANCY_SCHEMA.names)


def test_given_names():
    columns = VacancyColumns({"vacancy_id": "id", "published_at": "created_at"}, ("lat", "published_at"))
    batch = {
        "id": pa.array([7]),
        "responsibility": pa.array([None], pa.null()),
        "snapshot_at": pa.array(["2023-09-04"]),
        "created_at": pa.array(["2023-09-01"]),
        "published_at": pa.array(["no time"]),
        "lat": pa.array([55.7]),
    }
    schema = pa.schema({name: column.type for name, column in batch.items()})
    columns.check(schema, "s3://b/k")
    (row,) = columns.canonical(pa.RecordBatch.from_pydict(batch), "s3://b/k").to_pylist()
    assert (row["vacancy_id"], row["published_at"], row[UNREADABLE]) == ("7", dt.datetime(2023, 9, 1), None)
    assert columns.names[VACANCY_SCHEMA.names.index("published_at")] == "created_at"


def test_an_ignored_column_of_ours_is_null():
    assert read(VacancyColumns(ignore=("name",)), name=pa.array([1.5]))["name"] is None


@pytest.mark.parametrize("name", ["vacancy_id", "snapshot_at", "responsibility"])
def test_a_required_column_that_is_missing_is_named(name):
    assert f"column '{name}' is missing" in refusal(without=(name,))


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        ({"responsibility": pa.array([1])}, "'responsibility' is int64, wanted text"),
        ({"vacancy_id": pa.array([True])}, "'vacancy_id' is bool, wanted text or whole numbers"),
        (
            {"salary_from": pa.array(["100000"])},
            "'salary_from' is string, wanted number: write numbers, as pandas.to_numeric",
        ),
        ({"salary_gross": pa.array(["true"])}, "'salary_gross' is string, wanted boolean, or 0 and 1: write true"),
        ({"key_skills": pa.array([[{"name": "x"}]])}, "write texts, or lists of texts"),
        ({"name": pa.array([["x"]])}, "'name' is list<item: string>, wanted text: write one value a row"),
        ({"published_at": pa.array([1693831524])}, "'published_at' is int64, wanted timestamp, date or ISO text"),
        ({"publications": pa.array([True])}, "'publications' is bool, wanted number"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_type_is_refused(column, wanted):
    assert wanted in refusal(**column)


def test_an_unexpected_column_is_named():
    assert "unexpected column 'responsibilty', 'lat'" in refusal(responsibilty=pa.array(["x"]), lat=pa.array([1.0]))


def test_a_column_that_is_mapped_must_be_there():
    assert "column 'titel' is missing" in refusal(VacancyColumns({"name": "titel"}))


def test_a_column_that_is_there_twice():
    schema = pa.schema([*pa.RecordBatch.from_pydict(GIVEN).schema, ("vacancy_id", pa.string())])
    with pytest.raises(InputUnreadable, match="'vacancy_id' appears 2 times"):
        VacancyColumns().check(schema, "s3://b/k")


def test_a_mapping_of_a_column_that_vacancies_do_not_have():
    with pytest.raises(ConfigInvalid, match="'responsibilty' is no column of a vacancy"):
        VacancyColumns({"responsibilty": "text"}).check(pa.schema([]), "s3://b/k")


@pytest.mark.parametrize(
    "text",
    [pa.array(["ряд"], kind) for kind in (pa.large_string(), pa.string_view())]
    + [pa.array(["ряд"]).dictionary_encode()],
    ids=lambda array: str(array.type),
)
def test_texts_of_every_layout_are_read(text):
    assert read(responsibility=text, employer_id=text)["responsibility"] == "ряд"


def test_text_that_is_not_utf8():
    broken = pa.array([b"\xff"]).view(pa.string())
    with pytest.raises(InputUnreadable, match=r"b/k: column 'name' cannot be read as string .* UTF-8"):
        read(name=broken)


@pytest.mark.parametrize(
    "time",
    [
        *(pa.array([SNAPSHOT], pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")),
        pa.array([SNAPSHOT], pa.timestamp("ms", "Europe/Moscow")),
        *(pa.array([f"2023-09-04{text}"]) for text in ("T15:45:24+0300", "T15:45:24+03:00", "T12:45:24Z", " 12:45:24")),
        pa.array([" 2023-09-04T12:45:24.000 "], pa.large_string()),
        pa.array(["2023-09-04T15:45:24+0300"]).dictionary_encode(),
    ],
    ids=lambda array: f"{array.type} {array[0]}",
)
def test_times_of_every_layout_become_utc_without_a_zone(time):
    row = read(published_at=time)
    assert (row["published_at"], row[UNREADABLE]) == (SNAPSHOT, None)


@pytest.mark.parametrize(
    "date", [pa.array([SNAPSHOT.date()], kind) for kind in (pa.date32(), pa.date64())] + [pa.array(["2023-09-04"])]
)
def test_a_date_is_its_midnight(date):
    assert read(published_at=date)["published_at"] == dt.datetime(2023, 9, 4)


@pytest.mark.parametrize(
    "time", [pa.nulls(1), pa.array([""]), pa.array([None], pa.string()), pa.array([None], pa.timestamp("us"))]
)
def test_no_time_is_null_and_not_wrong(time):
    row = read(published_at=time)
    assert (row["published_at"], row[UNREADABLE]) == (None, None)


@pytest.mark.parametrize(
    "text",
    [
        "now",
        "today",
        "04.09.2023",
        "2023",
        "1693831524",
        "NaT",
        "None",
        "2023-13-01",
        "2023-09-04T25:00",
        "0001-01-01",
        "9999-12-31",
        "1989-12-31",
        "2100-01-01",
    ],
)
def test_what_is_no_time_is_kept_as_text(text):
    row = read(published_at=pa.array([text]))
    assert (row["published_at"], row[UNREADABLE]) == (None, {"column": "published_at", "text": text})


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_time_of_a_wrong_unit_is_unreadable(unit):
    moment = pa.array([1_693_831_524_000_000 if unit == "s" else 1], pa.int64()).view(pa.timestamp(unit))
    row = read(first_seen=moment)
    assert (row["first_seen"], row[UNREADABLE]["column"]) == (None, "first_seen")


def test_the_first_unreadable_time_of_each_row_is_kept():
    batch = pa.RecordBatch.from_pydict(
        {
            "vacancy_id": ["1", "2", "3"],
            "snapshot_at": ["2023-09-04", "bad", "2023-09-04"],
            "responsibility": ["x"] * 3,
            "published_at": ["worse", "worst", "2023-09-01"],
        }
    )
    found = VacancyColumns().canonical(batch, "s3://b/k").column(UNREADABLE).to_pylist()
    assert found == [
        {"column": "published_at", "text": "worse"},
        {"column": "snapshot_at", "text": "bad"},
        None,
    ]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (pa.array([1455], pa.uint64()), "1455"),
        (pa.array([1455.0]), "1455"),
        (pa.array([float("nan")]), None),
        (pa.array(["0012"]), "0012"),
        (pa.array([""]), ""),
    ],
)
def test_ids_become_text(given, wanted):
    assert read(employer_id=given)["employer_id"] == wanted


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (pa.array([Decimal(9_000_001)], pa.decimal128(38, 0)), "9000001"),
        (pa.array([9_000_001], pa.uint32()).dictionary_encode(), "9000001"),
        (pa.array([b"9000001"]), "9000001"),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_the_types_of_series_are_those_of_vacancies(given, wanted):
    assert read(vacancy_id=given)["vacancy_id"] == wanted


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (pa.array([True]), True),
        (pa.array([0]), False),
        (pa.array([1.0]), True),
        (pa.array([float("nan")]), None),
        (pa.nulls(1), None),
    ],
)
def test_flags_may_be_0_and_1(given, wanted):
    assert read(salary_gross=given)["salary_gross"] is wanted


def test_a_flag_of_another_number():
    with pytest.raises(InputUnreadable, match=r"'salary_gross' cannot be read as bool .*flags as true and false"):
        read(salary_gross=pa.array([2]))


@pytest.mark.parametrize(
    ("name", "given", "wanted"),
    [
        ("key_skills", [["SQL", None, "C++"]], "SQL\nC++"),
        ("key_skills", [[]], ""),
        ("key_skills", [None], None),
        ("professional_role_id", [["96", "160"]], "96"),
        ("professional_role_id", [[96, 160]], "96"),
        ("professional_role_id", [[]], None),
    ],
)
def test_lists_of_skills_and_roles(name, given, wanted):
    kind = pa.list_(pa.int64() if given == [[96, 160]] else pa.string())
    assert read(**{name: pa.array(given, kind)})[name] == wanted


def test_a_struct_is_to_be_written_as_columns():
    message = refusal(salary=pa.array([{"from": 1}]))
    assert "unexpected column 'salary'" in message
    assert "salary: write the fields as columns of their own, as salary_from" in message


def test_names_that_differ_by_case_alone_and_an_index():
    given = {"VACANCY_ID": ["1"], "SNAPSHOT_AT": [SNAPSHOT], "Responsibility": ["x"], "__index_level_0__": [0]}
    batch, columns = pa.RecordBatch.from_pydict(given), VacancyColumns()
    columns.check(batch.schema, "s3://b/k")
    assert columns.canonical(batch, "s3://b/k").to_pylist()[0]["responsibility"] == "x"
    assert columns.left_out(batch.schema) == ("__index_level_0__",)


def test_an_id_that_is_not_whole():
    with pytest.raises(InputUnreadable, match="column 'employer_id' cannot be read as string"):
        read(employer_id=pa.array([1.5]))


@pytest.mark.parametrize("roles", ["96", "96,160", "96; 160", "96 | 160", '["96", "160"]', "[96, 160]", " 96 "])
def test_of_several_roles_the_first_counts(roles):
    assert read(professional_role_id=pa.array([roles]))["professional_role_id"] == "96"


def test_a_role_that_is_a_number():
    assert read(professional_role_id=pa.array([96]))["professional_role_id"] == "96"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ('["SQL", "C++"]', "SQL\nC++"),
        ("[]", ""),
        ("SQL\nC++", "SQL\nC++"),
        ("[not JSON", "[not JSON"),
        ("[1, null]", "1"),
        (None, None),
    ],
)
def test_skills_lie_one_a_line(given, wanted):
    assert read(key_skills=pa.array([given], pa.string()))["key_skills"] == wanted


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (pa.array([100_000]), 100_000.0),
        (pa.array([Decimal("100000.50")]), 100_000.5),
        (pa.array([1.5], pa.float32()), 1.5),
        (pa.array([0.0]), None),
        (pa.array([0]), None),
        (pa.array([float("nan")]), None),
        (pa.array([-1.0]), -1.0),
        (pa.nulls(1), None),
    ],
)
def test_salaries_are_numbers_and_zero_is_none(given, wanted):
    assert read(salary_from=given)["salary_from"] == wanted


def test_counts_are_whole():
    assert read(publications=pa.array([3.0]))["publications"] == 3
    with pytest.raises(InputUnreadable, match="column 'publications' cannot be read as int64"):
        read(publications=pa.array([3.5]))


def test_batches_of_no_rows():
    empty = pa.RecordBatch.from_pydict(GIVEN).slice(0, 0)
    assert VacancyColumns().canonical(empty, "s3://b/k").num_rows == 0


def dumps():
    folder = Path(os.environ.get("XFLOW_DATA", REPOSITORY.parent / "shared/data")) / "vacancies"
    return sorted(folder.glob("*/vacancies.parquet"))


@pytest.mark.skipif(not dumps(), reason="no dumps of hh.ru responses below XFLOW_DATA/vacancies")
def test_dumps_of_real_responses_are_read():
    for path in dumps():
        columns = (
            VacancyColumns(*FIRST_DUMP) if path.parent.name.startswith("2019") else VacancyColumns(DUMP, DUMP_IGNORES)
        )
        checker = VacancyChecker({"": 1, "USD": 0.0137, "EUR": 0.0116, "KZT": 5.8})
        with pq.ParquetFile(path) as file:
            columns.check(file.schema_arrow, str(path))
            batches = [
                columns.canonical(batch, str(path)) for batch in file.iter_batches(500, columns=list(columns.names))
            ]
        for batch in batches:
            checker.add(batch)
        verdict = checker.finish()
        assert set(verdict.rejected) <= {"responsibility_missing", "duplicate", "superseded", "snapshot_missing"}, path
        assert verdict.accepted == verdict.entities > 0.85 * len(verdict.codes)
        assert not any(np.any(batch.column("published_at").is_null()) for batch in batches)
