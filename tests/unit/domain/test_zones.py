"""Times that carry a zone, by the clock of the contract's zone."""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import ValidationError

from xflow.domain.arrow_types import as_times
from xflow.domain.contract import ContractChecker
from xflow.domain.input_columns import InputColumns
from xflow.domain.rules import Rule
from xflow.pipeline import Contract


def judged(times, frequency, timezone, max_gap=0):
    """Return the verdict of one series of given times, and its canonical times."""
    series = pd.Series(times)
    table = pa.RecordBatch.from_pydict(
        {"series_id": ["a"] * len(series), "timestamp": pa.array(series), "value": np.arange(len(series)) * 1.0}
    )
    columns = InputColumns(timezone=timezone)
    columns.check(table.schema, "s3://b/k")
    canonical = columns.canonical(table, "s3://b/k")
    checker = ContractChecker(frequency, max_gap=max_gap, min_length=3)
    checker.add(canonical)
    return checker.finish(), canonical.column("timestamp")


@pytest.mark.parametrize(
    "zone", ["Europe/Moscow", "Europe/London", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu"]
)
@pytest.mark.parametrize(
    ("frequency", "step"), [("D", "D"), ("M", "MS"), ("Q-DEC", "QS"), ("Y-DEC", "YS"), ("W-SUN", "W-MON")]
)
def test_periods_of_a_day_and_longer_begin_by_the_clock_of_the_zone(zone, frequency, step):
    times = pd.date_range(
        "2020-01-06" if step == "W-MON" else "2020-01-01", periods=400 if step == "D" else 9, freq=step, tz=zone
    )
    verdict, read = judged(times, frequency, zone)
    assert verdict.rejected == {}
    assert read.to_pylist() == [time.replace(tzinfo=None) for time in times]
    assert (verdict.oldest, verdict.newest) == (times[0].replace(tzinfo=None), times[-1].replace(tzinfo=None))


def test_without_the_zone_they_are_off_the_grid_or_have_gaps():
    assert (
        "off_grid"
        in judged(pd.date_range("2020-01-01", periods=9, freq="MS", tz="Europe/Moscow"), "M", None)[0].rejected
    )
    assert "off_grid" in judged(pd.date_range("2023-01-01", periods=365, tz="Europe/London"), "D", None)[0].rejected


@pytest.mark.parametrize(
    ("zone", "day"),
    [("America/Sao_Paulo", "2018-11-04"), ("Africa/Cairo", "2023-04-28"), ("America/Havana", "2023-03-12")],
)
def test_a_day_that_begins_later_than_midnight_is_on_the_grid(zone, day):
    """Clocks that are put forward at midnight have no midnight."""
    days = pd.date_range(pd.Timestamp(day) - pd.Timedelta(5, "D"), periods=11)
    starts = days.tz_localize(zone, nonexistent="shift_forward", ambiguous=True)
    assert starts[5].hour == 1
    verdict, read = judged(starts, "D", zone)
    assert verdict.rejected == {}
    assert read.to_pylist() == [*days.to_pydatetime()]


def test_times_of_another_zone_and_without_one_are_read_by_the_same_clock():
    moscow = dt.datetime(2024, 1, 31, 21)
    for times in (
        pa.array([moscow], pa.timestamp("us", "UTC")),
        pa.array([moscow], pa.timestamp("s", "Asia/Tokyo")),
        pa.array(["2024-01-31T21:00:00Z"]),
        pa.array(["2024-02-01T00:00:00+0300"]),
        pa.array(["2024-01-31 16:00:00-05"]),
        pa.array(["2024-02-01"]),
        pa.array([dt.date(2024, 2, 1)]),
        pa.array([dt.datetime(2024, 2, 1)], pa.timestamp("ns")),
    ):
        read, wrong = as_times(times, "Europe/Moscow")
        assert read.cast(pa.timestamp("us")).to_pylist() == [dt.datetime(2024, 2, 1)]
        assert not wrong.any()


def test_no_time_stays_none():
    assert as_times(pa.array([None], pa.timestamp("us", "UTC")), "Europe/Moscow")[0].to_pylist() == [None]
    assert as_times(pa.array(["", None, "?"]), "Europe/Moscow")[0].to_pylist() == [None] * 3


def test_hours_are_those_of_utc_without_gap_or_double_when_the_clocks_are_shifted():
    berlin = pd.date_range("2023-01-01", "2023-12-31 23:00", freq="h", tz="Europe/Berlin")
    verdict, read = judged(berlin, "h", None)
    assert verdict.rejected == {}
    assert read[0].as_py() == dt.datetime(2022, 12, 31, 23)


def test_hours_of_a_clock_that_was_shifted_have_a_gap_in_spring_and_a_conflict_in_autumn():
    berlin = pd.date_range("2023-01-01", "2023-12-31 23:00", freq="h", tz="Europe/Berlin").tz_localize(None)
    assert judged(berlin, "h", None)[0].rejected == {"gap_too_long": 8758, "conflict": 2}
    filled = judged(berlin, "h", None, max_gap=1)[0]
    assert (filled.rejected, filled.entities) == ({"conflict": 2}, 1)


def test_hours_by_a_clock_that_never_shifts():
    kolkata = pd.date_range("2023-01-01", periods=100, freq="h", tz="Asia/Kolkata")
    assert judged(kolkata, "h", None)[0].rejected == {"off_grid": 100}
    assert judged(kolkata, "h", "Asia/Kolkata")[0].rejected == {}
    Contract(frequency="h", timezone="Asia/Kolkata")


@pytest.mark.parametrize(
    ("frequency", "zone", "said"),
    [
        ("D", "Europe/Moskow", "did you mean Europe/Moscow"),
        ("D", "MSK", "no zone of the IANA database"),
        ("D", "+03:00", "no zone of the IANA database"),
        ("D", "../etc/passwd", "no zone of the IANA database"),
        ("D", "", "no zone of the IANA database"),
        ("h", "Europe/Berlin", "the clocks of timezone Europe/Berlin were shifted.* Leave timezone out"),
        ("15min", "Europe/Moscow", "were shifted"),
    ],
)
def test_a_zone_that_cannot_be_is_refused_when_the_file_is_read(frequency, zone, said):
    with pytest.raises(ValidationError, match=said):
        Contract(frequency=frequency, timezone=zone)


def test_times_far_away_are_out_of_range_with_a_zone_too():
    far = pa.array([2**62, 0], pa.int64()).view(pa.timestamp("us", "UTC"))
    read, _ = as_times(far, "Europe/Moscow")
    checker = ContractChecker("D")
    checker.add(pa.RecordBatch.from_pydict({"series_id": ["a", "a"], "timestamp": read, "value": [1.0, 2.0]}))
    assert Rule(int(checker.finish().codes[0])) is Rule.TIMESTAMP_OUT_OF_RANGE
