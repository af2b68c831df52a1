"""One input written in many ways, through the contract to the mart: the same rows, or a refusal with advice."""

import datetime as dt
import logging
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xflow.adapters.memory import MemoryFeatures, MemoryMart, MemoryStore
from xflow.errors import ConfigInvalid, ContractViolated, InputMissing, InputUnreadable
from xflow.pipeline import load
from xflow.refs import RunKey
from xflow.settings import pipelines_folder
from xflow.steps.check_contract import check_contract
from xflow.steps.kinds import input_kind
from xflow.steps.kinds.read_panel import read_panel
from xflow.steps.load_mart import load_mart
from xflow.steps.write_features import write_features

SERIES, MONTHS, VACANCIES = 4, 24, 30
FRAME = pd.DataFrame(
    {
        "series_id": np.repeat([str(100 + n) for n in range(SERIES)], MONTHS).astype(object),
        "timestamp": np.tile(pd.date_range("2021-01-01", periods=MONTHS, freq="MS"), SERIES),
        "value": np.arange(SERIES * MONTHS) * 1.0,
    }
)
IDS, TIMES = pa.array(FRAME.series_id), pa.array(FRAME.timestamp).cast(pa.timestamp("us"))
VALUES, NUMBERS = pa.array(FRAME.value), pa.array(FRAME.series_id.astype(int))
SNAPSHOT = dt.datetime(2026, 10, 31, 6)


def long(ids=IDS, times=TIMES, values=VALUES, **more):
    return pa.table({"series_id": ids, "timestamp": times, "value": values, **more})


def flat(**changed):
    given = {
        "vacancy_id": [str(n) for n in range(VACANCIES)],
        "snapshot_at": pa.array([SNAPSHOT] * VACANCIES, pa.timestamp("us")),
        "responsibility": [f"продавать чай, точка {n}" for n in range(VACANCIES)],
    }
    return pa.table(given | changed)


class Input:
    """One run over objects in memory, of a pipeline that the repository ships."""

    def __init__(self, name="tourism_monthly", *, kind="predict", contract=None, columns=None):
        found = load(pipelines_folder() / f"{name}.yaml")
        changed = {"contract": found.contract.model_copy(update=contract or {})}
        self.pipeline = found.model_copy(update=changed | {"input": found.input.model_copy(update=columns or {})})
        self.store, self.mart = MemoryStore(), MemoryMart()
        self.key = RunKey(pipeline=name, kind=kind, run_id="r")
        self.mart.prepare(name, input_kind(self.pipeline).tables)

    def put(self, *tables, names=(), **options):
        for number, table in enumerate(tables):
            sink = pa.BufferOutputStream()
            pq.write_table(table, sink, **options)
            name = names[number] if names else f"part-{number:05d}.parquet"
            self.store.put(f"in/{name}", sink.getvalue().to_pybytes())
        return self

    def run(self, location="in/", as_of=None):
        """Return the checked input and the rows of the mart."""
        checked = check_contract(self.key, self.pipeline, location, as_of, store=self.store, mart=self.mart)
        load_mart(self.key, self.pipeline, checked, store=self.store, mart=self.mart)
        return checked, self.mart.rows[str(self.key), f"{self.pipeline.name}_input"]


def part(table, number):
    return table.take(np.flatnonzero(np.arange(table.num_rows) % 3 == number))


SAME = {
    **{f"times in {unit}": [long(times=TIMES.cast(pa.timestamp(unit)))] for unit in ("s", "ms", "ns")},
    "times in UTC": [long(times=TIMES.cast(pa.timestamp("us", "UTC")))],
    "dates": [long(times=TIMES.cast(pa.date32()))],
    "dates of milliseconds": [long(times=TIMES.cast(pa.date64()))],
    "dictionary of dates": [long(times=TIMES.cast(pa.date32()).dictionary_encode())],
    "texts of dates": [long(times=pa.array(FRAME.timestamp.dt.strftime("%Y-%m-%d")))],
    "binary texts of dates": [long(times=pa.array(FRAME.timestamp.dt.strftime("%Y-%m-%d")).cast(pa.binary()))],
    "texts with a zone": [long(times=pa.array(FRAME.timestamp.dt.strftime("%Y-%m-%dT03:00:00+0300")))],
    **{f"ids as {kind}": [long(IDS.cast(kind))] for kind in (pa.large_string(), pa.string_view(), pa.binary())},
    **{f"ids as {kind}": [long(NUMBERS.cast(kind))] for kind in (pa.int64(), pa.uint16(), pa.float64())},
    "ids as dictionary": [long(IDS.dictionary_encode())],
    "ids as dictionary of integers": [long(NUMBERS.dictionary_encode())],
    "ids as decimals": [long(NUMBERS.cast(pa.decimal128(38, 0)))],
    "ids of a fixed width": [long(pa.array([each.encode() for each in FRAME.series_id], pa.binary(3)))],
    **{f"values as {kind}": [long(values=VALUES.cast(kind))] for kind in (pa.float32(), pa.int32(), pa.uint8())},
    "values as half floats": [long(values=pa.array(FRAME.value.to_numpy().astype(np.float16)))],
    "values as decimals": [long(values=pa.array([Decimal(int(each)) for each in FRAME.value], pa.decimal128(18, 6)))],
    "values as long decimals": [long(values=pa.array([Decimal(int(e)) for e in FRAME.value], pa.decimal256(50, 6)))],
    "values as dictionary": [long(values=VALUES.dictionary_encode())],
    "upper case": [long().rename_columns(["SERIES_ID", "TIMESTAMP", "VALUE"])],
    "other order": [long().select(["value", "series_id", "timestamp"])],
    "index of pandas": [long(__index_level_0__=pa.array(range(SERIES * MONTHS)))],
    "parts of several types": [
        part(long(), 0),
        part(long(NUMBERS, TIMES.cast(pa.timestamp("ns"))), 1),
        part(long(IDS.dictionary_encode(), TIMES.cast(pa.date32()), VALUES.cast(pa.int64())), 2),
    ],
    "an empty part": [long(), long().slice(0, 0)],
    "an empty part of nulls": [long(), pa.table({name: pa.nulls(0) for name in long().column_names})],
    "an empty part without columns": [long(), pa.table({"x": pa.nulls(0)})],
    "an empty part of other types": [long(), long(times=pa.array([1.0] * SERIES * MONTHS)).slice(0, 0)],
}


@pytest.mark.parametrize("tables", SAME.values(), ids=SAME)
def test_series_written_in_many_ways_are_the_same(tables):
    checked, rows = Input().put(*tables).run()
    assert (checked.rows_accepted, checked.rows_rejected, checked.entities) == (SERIES * MONTHS, 0, SERIES)
    assert checked.as_of == "2022-12-01T00:00:00"
    found = sorted((row["series_id"], row["timestamp"], row["value"]) for row in rows)
    assert found == [(name, time.to_pydatetime(), value) for name, time, value in FRAME.itertuples(index=False)]


@pytest.mark.parametrize("options", [{"use_deprecated_int96_timestamps": True}, {"data_page_version": "2.0"}])
def test_what_writers_may_choose(options):
    assert Input().put(long(), row_group_size=7, **options).run()[0].rows_accepted == SERIES * MONTHS


def test_a_shuffled_frame_of_pandas_tells_of_its_index(caplog):
    given = Input()
    given.store.put("in/a.parquet", FRAME.sample(frac=1, random_state=0).to_parquet())
    with caplog.at_level(logging.WARNING):
        checked, _ = given.run()
    assert checked.notes == ("not read: the index that pandas wrote as __index_level_0__",)
    assert "__index_level_0__" in caplog.text
    assert given.mart.run(given.key)["message"] == checked.notes[0]


@pytest.mark.parametrize(
    ("table", "advice"),
    [
        (long(times=TIMES.cast(pa.int64())), "a number does not say its unit and zone: write timestamps"),
        (long(values=pa.array([str(each) for each in FRAME.value])), "write numbers, as pandas.to_numeric"),
        (long(values=pa.StructArray.from_arrays([VALUES], ["amount"])), "write the struct's fields as columns"),
        (long(values=pa.array([[each] for each in FRAME.value])), "write one value a row"),
        (long(note=IDS), "name it under input.ignore"),
    ],
)
def test_series_that_are_refused(table, advice):
    with pytest.raises(InputUnreadable, match=advice):
        Input().put(table).run()


def test_the_advice_about_a_column_too_many_works():
    given = Input(columns={"ignore": ("note",)}).put(long(note=IDS))
    assert given.run()[0].rows_accepted == SERIES * MONTHS


@pytest.mark.parametrize(
    ("times", "frequency", "hint"),
    [
        (FRAME.timestamp + pd.offsets.MonthEnd(0), "M", "all on the last day of a month"),
        (FRAME.timestamp + pd.Timedelta(1, "ns"), "M", "parts of a microsecond"),
        (FRAME.timestamp.dt.tz_localize("Europe/Moscow"), "M", "contract.timezone"),
        (pd.Series(np.tile(pd.date_range("2023-01-06", periods=24, freq="W-FRI"), 4)), "W-FRI", "W-THU fits"),
    ],
)
def test_what_is_off_the_grid_says_what_was_found_and_what_fits(times, frequency, hint):
    with pytest.raises(ContractViolated, match=f"off_grid: 96 .*found: .*{hint}"):
        Input(contract={"frequency": frequency}).put(long(times=pa.array(times))).run()


def test_the_advice_about_what_is_off_the_grid_works():
    fridays = pa.array(pd.Series(np.tile(pd.date_range("2023-01-06", periods=24, freq="W-FRI"), 4)))
    assert Input(contract={"frequency": "W-THU"}).put(long(times=fridays)).run()[0].rows_rejected == 0
    moscow = pa.array(FRAME.timestamp.dt.tz_localize("Europe/Moscow"))
    given = Input(contract={"timezone": "Europe/Moscow"}).put(long(times=moscow))
    checked, rows = given.run()
    assert (checked.rows_rejected, checked.as_of) == (0, "2022-12-01T00:00:00")
    assert rows[0]["timestamp"] == dt.datetime(2021, 1, 1)
    assert given.run(as_of="2022-05-31T21:00:00+00:00")[0].as_of == "2022-06-01T00:00:00"


@pytest.mark.parametrize(
    ("contract", "hint"),
    [
        ({"frequency": "D", "max_gap": 0}, r"gap_too_long: 80 .*raise contract\.max_gap; found: gaps of up to 2 steps"),
        ({"frequency": "D", "max_gap": 2, "min_length": 60}, "series_too_short: 80 .*found: series of up to 26 steps"),
    ],
)
def test_how_long_gaps_and_series_are_is_said_and_the_advice_works(contract, hint):
    days = pa.array(pd.Series(np.tile(pd.bdate_range("2023-01-02", periods=20), 4)))
    table = long(IDS.slice(0, 80), days, VALUES.slice(0, 80))
    table = table.set_column(0, "series_id", pa.array(np.repeat(list("abcd"), 20)))
    with pytest.raises(ContractViolated, match=hint):
        Input(contract=contract, kind="train").put(table).run()
    mended = {"frequency": "D", "max_gap": 2, "min_length": 26}
    assert Input(contract=mended, kind="train").put(table).run()[0].rows_rejected == 0


def test_a_past_moment_is_read_by_the_clock_of_the_zone():
    moment = dt.datetime(2024, 1, 31, 21)  # midnight of 1 February in Moscow
    for timezone, known in ((None, dt.datetime(2023, 12, 1)), ("Europe/Moscow", dt.datetime(2024, 1, 1))):
        assert input_kind(Input(contract={"timezone": timezone}).pipeline).known_at(moment) == known


def test_a_text_that_is_no_time_is_kept_beside_the_rejected_row():
    texts = FRAME.timestamp.dt.strftime("%Y-%m-%d").where(FRAME.index != 23, "31.12.2022")
    given = Input(contract={"max_rejected": 0.5}).put(long(times=pa.array(texts)))
    checked, _ = given.run()
    assert checked.rejected_by_rule == {"timestamp_unreadable": 1}
    (row,) = given.mart.rows[str(given.key), "rejected_row"]
    assert (row["column_name"], row["bad_value"], row["entity_id"]) == ("timestamp", "31.12.2022", "100")


FLAT_SAME = {
    "as it is": [flat()],
    "ids as integers": [flat(vacancy_id=pa.array(range(VACANCIES)))],
    "ids as floats": [flat(vacancy_id=pa.array(range(VACANCIES)).cast(pa.float64()))],
    "ids as decimals": [flat(vacancy_id=pa.array(range(VACANCIES)).cast(pa.decimal128(38, 0)))],
    "ids as dictionary": [flat(vacancy_id=pa.array(range(VACANCIES), pa.uint32()).dictionary_encode())],
    "texts as binary": [flat(responsibility=flat()["responsibility"].cast(pa.binary()))],
    "texts as dictionary": [flat(responsibility=flat()["responsibility"].cast(pa.large_string()).dictionary_encode())],
    "times as text": [flat(snapshot_at=pa.array(["2026-10-31T09:00:00+0300"] * VACANCIES))],
    "times of a zone": [flat(snapshot_at=pa.array([SNAPSHOT] * VACANCIES, pa.timestamp("ms", "Europe/Moscow")))],
    "times as dictionary": [flat(snapshot_at=flat()["snapshot_at"].dictionary_encode())],
    "upper case": [flat().rename_columns(["VACANCY_ID", "Snapshot_At", "RESPONSIBILITY"])],
    "an index": [flat(__index_level_0__=pa.array(range(VACANCIES)))],
    "skills as lists": [flat(key_skills=pa.array([["чай", "касса"]] * VACANCIES))],
    "null columns": [flat(name=pa.nulls(VACANCIES), salary_gross=pa.nulls(VACANCIES))],
    "gross as 0 and 1": [flat(salary_gross=pa.array([0, 1] * (VACANCIES // 2)))],
    "several parts": [flat().slice(0, 10), flat().slice(10, 10), flat().slice(20)],
    "an empty last part": [flat(), flat().slice(0, 0)],
    "parts of several types": [flat().slice(0, 10), flat(vacancy_id=pa.array(range(VACANCIES))).slice(10)],
}


@pytest.mark.parametrize("tables", FLAT_SAME.values(), ids=FLAT_SAME)
def test_vacancies_written_in_many_ways_are_the_same(tables):
    checked, rows = Input("vacancies").put(*tables).run()
    assert (checked.rows_accepted, checked.rows_rejected, checked.entities) == (VACANCIES, 0, VACANCIES)
    assert checked.as_of == SNAPSHOT.isoformat()
    assert [row["vacancy_id"] for row in rows] == [str(n) for n in range(VACANCIES)]


@pytest.mark.parametrize(
    ("table", "advice"),
    [
        (flat(snapshot_at=pa.array([1793426400] * VACANCIES)), "a number does not say its unit and zone"),
        (flat(salary_from=pa.array(["100000"] * VACANCIES)), "write numbers"),
        (flat(salary_gross=pa.array(["True"] * VACANCIES)), "write true and false"),
        (flat(salary=pa.array([{"from": 1}] * VACANCIES)), "salary: write the fields as columns of their own"),
        (flat().drop_columns("snapshot_at"), "column 'snapshot_at' is missing"),
    ],
)
def test_vacancies_that_are_refused(table, advice):
    with pytest.raises(InputUnreadable, match=advice):
        Input("vacancies").put(table).run()


@pytest.mark.parametrize(
    "name",
    [
        "_temporary/0/_temporary/attempt_1/year=2024/part-7.parquet",
        ".hive-staging/part-0.parquet",
        ".ipynb_checkpoints/part-0-checkpoint.parquet",
        "_delta_log/0.json",
        "year=2024_$folder$",
    ],
)
@pytest.mark.parametrize("kind", ["tourism_monthly", "vacancies"])
def test_what_is_hidden_is_not_read_and_told(kind, name):
    given = Input(kind).put(long() if kind == "tourism_monthly" else flat())
    given.put(long(pa.array(["ghost"] * SERIES * MONTHS)), names=[name])
    checked, rows = given.run()
    assert checked.rows_in == len(rows) == (SERIES * MONTHS if kind == "tourism_monthly" else VACANCIES)
    assert checked.notes == (f"not read: 1 hidden object or marker of a folder: s3://memory/in/{name}",)
    assert given.mart.run(given.key)["message"] == checked.notes[0]


def test_markers_of_0_bytes_are_told_and_those_of_a_whole_input_are_not():
    given = Input().put(long(), names=["year=2024/part-0.parquet"])
    for marker in ("_SUCCESS", "_manifest.json", "year=2024", "year=2024/", "old/"):
        given.store.put(f"in/{marker}", b"")
    checked, _ = given.run()
    assert len(checked.objects) == 1
    (note,) = checked.notes
    assert "3 hidden objects and markers of folders: s3://memory/in/old/, s3://memory/in/year=2024" in note


def test_nothing_but_hidden_objects_says_so():
    given = Input().put(long(), names=["_temporary/part-0.parquet"])
    with pytest.raises(InputMissing, match=r"nothing to read below this prefix but 1 hidden .*_temporary/part-0"):
        given.run()


def test_a_readme_beside_is_refused_with_what_to_do_and_hidden_it_is_told():
    given = Input().put(long())
    given.store.put("in/readme.txt", b"monthly export\n")
    with pytest.raises(InputUnreadable, match=r"readme\.txt.* a name that begins with _ or \. hides it"):
        given.run()
    given.store.delete("in/")
    given.put(long()).store.put("in/_readme.txt", b"monthly export\n")
    assert "_readme.txt" in given.run()[0].notes[0]


def test_a_prefix_without_its_slash_says_what_to_write():
    given = Input().put(long())
    with pytest.raises(InputMissing, match=r"there are objects below it: write s3://memory/in/$"):
        given.run("in")
    with pytest.raises(ConfigInvalid, match="no address on S3: write s3://bucket/key"):
        given.run("http://memory/in/")
    assert given.run("s3a://memory/in/")[0].objects[0].uri == "s3://memory/in/part-00000.parquet"


DELIVERED = {
    "parts of one delivery": (["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"], [0, 1, 2]),
    "of two dates": (["2026-10-30.parquet", "2026-10-31.parquet", "20261029.parquet"], [1]),
    "parts with a date": (["d_20261030_0.parquet", "d_20261031_0.parquet", "d_20261031_1.parquet"], [1, 2]),
    "folders of dates": (["dt=2026-10-30/a.parquet", "dt=2026-10-31/a.parquet", "dt=2026-10-31/b.parquet"], [1, 2]),
    "of a collection": (["20261030T060000-h.parquet", "20261031T060000-h.parquet", "20261029T060000-h.parquet"], [1]),
    "a folder of parts": (
        ["20261031T060000-h/a.parquet", "20261031T060000-h/b.parquet", "20261030T1-h.parquet"],
        [0, 1],
    ),
    "other dates": (["2026_10_30.parquet", "2026.10.31.parquet", "2026_10_31_1.parquet"], [1, 2]),
    "Russian dates": (["vac_30.11.2025.parquet", "vac_31.10.2026.parquet", "vac_01.10.2026.parquet"], [1]),
    "times of a day": (["2026-10-31T06.parquet", "2026-10-31T18-30.parquet", "20261031T1215.parquet"], [1]),
    "folders of days": (["2026/10/30/a.parquet", "2026/10/31/a.parquet", "2026/10/31/b.parquet"], [1, 2]),
    "folders of Hive": (
        [
            "year=2026/month=9/day=30/a.parquet",
            "year=2026/month=10/day=2/a.parquet",
            "year=2026/month=10/day=1/a.parquet",
        ],
        [1],
    ),
    "no dates": (["2026-02-30.parquet", "2026/13/01/a.parquet", "12026-10-31.parquet"], [0, 1, 2]),
    "folders by value": (["area=1/a.parquet", "area=2/a.parquet", "area=2/b.parquet"], [0, 1, 2]),
}


@pytest.mark.parametrize(("names", "wanted"), DELIVERED.values(), ids=DELIVERED)
def test_the_newest_delivery_is_read_whole(names, wanted):
    tables = [flat().slice(number * 10, 10) for number in range(3)]
    checked, rows = Input("vacancies").put(*tables, names=names).run()
    assert sorted(ref.uri.removeprefix("s3://memory/in/") for ref in checked.objects) == sorted(
        names[i] for i in wanted
    )
    assert checked.rows_in == len(rows) == 10 * len(wanted)


def test_folders_below_the_pipelines_own_prefix_are_deliveries():
    own = {"train": "in/", "predict": "in/"}
    tables = [flat().slice(number * 10, 10) for number in range(3)]
    given = Input("vacancies", columns=own).put(*tables, names=["a/0.parquet", "b/0.parquet", "b/1.parquet"])
    assert given.run()[0].rows_in == 20
    assert given.run("in/b/")[0].rows_in == 20
    assert given.run("s3://memory/in/a/")[0].rows_in == 10


@pytest.mark.parametrize(
    ("as_of", "rows"), [(None, 20), ("2026-10-31", 20), ("2026-10-30T23:00", 10), ("2026-10-30", 10)]
)
def test_a_dated_delivery_is_made_when_its_day_begins(as_of, rows):
    given = Input("vacancies")
    early = {"snapshot_at": pa.array([dt.datetime(2026, 10, 30)] * VACANCIES, pa.timestamp("us"))}
    late = {"snapshot_at": pa.array([dt.datetime(2026, 10, 31)] * VACANCIES, pa.timestamp("us"))}
    given.put(
        flat(**early).slice(0, 10), flat(**late).slice(0, 20), names=["dt=2026-10-30/a.parquet", "31.10.2026.parquet"]
    )
    assert given.run(as_of=as_of)[0].rows_in == rows
    with pytest.raises(InputMissing, match="no delivery was made up to 2026-10-29"):
        given.run(as_of="2026-10-29")


@pytest.mark.parametrize("typo", [dt.datetime(2042, 1, 1), SNAPSHOT.replace(year=SNAPSHOT.year + 1) - dt.timedelta(30)])
def test_a_mistyped_year_in_one_vacancy_does_not_decide_for_all(typo):
    times = pa.array([SNAPSHOT] * (VACANCIES - 1) + [typo], pa.timestamp("us"))
    checked, _ = Input("vacancies").put(flat(snapshot_at=times)).run()
    assert checked.as_of == SNAPSHOT.isoformat()
    assert f"vacancy '29' at {typo:%Y-%m-%d}" in checked.notes[0]


def test_a_year_mistyped_in_one_vacancy_of_twenty_does_not_decide_for_all():
    right = flat(snapshot_at=pa.array([SNAPSHOT] * VACANCIES, pa.timestamp("us")))
    more = right.set_column(0, "vacancy_id", pa.array([f"more {i}" for i in range(VACANCIES)]))
    wrong = pa.array([dt.datetime(2042, 1, 1)] * VACANCIES, pa.timestamp("us"))
    checked, _ = Input("vacancies").put(more, right.slice(3), flat(snapshot_at=wrong).slice(0, 3)).run()
    assert checked.as_of == SNAPSHOT.isoformat()
    assert checked.notes[0].startswith("3 of 60 accepted rows lie far after all others")


@pytest.mark.parametrize("lonely", [False, True])
def test_a_mistyped_year_in_one_series_does_not_decide_for_all(lonely):
    """In a series of its own the row is accepted, in another one it is a gap, which a training rejects."""
    typo = long(["typo" if lonely else "100"], pa.array([dt.datetime(2042, 7, 1)], TIMES.type), [1.0])
    training = Input(contract={"max_rejected": 0.5, "min_length": 3}, kind="train").put(long(), typo)
    given = Input().put(long(), typo)
    checked, _ = given.run()
    assert checked.notes
    assert checked.as_of == training.run()[0].as_of == "2022-12-01T00:00:00"
    features = MemoryFeatures()
    ref = write_features(given.key, given.pipeline, checked, store=given.store, features=features)
    panel, _ = read_panel(features, ref)
    assert panel.ends.tolist() == [pd.Period("2022-12", "M").ordinal] * SERIES
