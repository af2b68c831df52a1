"""Every rule of the contract, on rows written by hand."""

from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest

from xflow.domain.contract import ContractChecker, to_ordinals
from xflow.domain.object_columns import UNREADABLE
from xflow.domain.rules import ADVICE, Rule

NAN, INF = float("nan"), float("inf")


def rows(*given, exogenous=(), unit="us"):
    """Return a canonical batch of (series, timestamp, value, *exogenous) tuples."""
    columns = list(zip(*given)) or [[] for _ in range(3 + len(exogenous))]
    times = np.array([None if t is None else np.datetime64(t, unit) for t in columns[1]], dtype=f"M8[{unit}]")
    arrays = [
        pa.array(columns[0], pa.string()),
        pa.array(times),
        *(pa.array(column, pa.float64(), from_pandas=False) for column in columns[2:]),
    ]
    return pa.RecordBatch.from_arrays(arrays, ["series_id", "timestamp", "value", *exogenous])


def month(series, *numbers, value=1.0):
    """Return rows of one series at months counted from 2020-01."""
    return [(series, np.datetime64("2020-01", "M") + n, value) for n in numbers]


def judge(*batches, frequency="M", as_of=None, **limits):
    ordinal = None if as_of is None else int(to_ordinals(np.array([as_of], dtype="M8[us]"), frequency)[0])
    checker = ContractChecker(frequency, as_of=ordinal, **limits)
    for batch in batches:
        checker.add(batch)
    return checker.finish()


def broken(verdict):
    return [Rule(code) for code in verdict.codes]


OK = Rule.ACCEPTED


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ((None, "2020-02-01", 1.0), Rule.SERIES_ID_MISSING),
        (("", "2020-02-01", 1.0), Rule.SERIES_ID_MISSING),
        (("a\0", "2020-02-01", 1.0), Rule.SERIES_ID_NUL),
        (("a", None, 1.0), Rule.TIMESTAMP_MISSING),
        (("a", "1677-12-31", 1.0), Rule.TIMESTAMP_OUT_OF_RANGE),
        (("a", "2262-01-01", 1.0), Rule.TIMESTAMP_OUT_OF_RANGE),
        (("a", "2020-02-02", 1.0), Rule.OFF_GRID),
        (("a", "2020-02-01T00:00:00.000001", 1.0), Rule.OFF_GRID),
        (("a", "2020-02-01", None), Rule.VALUE_MISSING),
        (("a", "2020-02-01", NAN), Rule.VALUE_NOT_FINITE),
        (("a", "2020-02-01", INF), Rule.VALUE_NOT_FINITE),
        (("a", "2020-02-01", -INF), Rule.VALUE_NOT_FINITE),
        (("a", "2020-02-01", 1.1e100), Rule.VALUE_TOO_LARGE),
        (("a", "2020-02-01", -1.1e100), Rule.VALUE_TOO_LARGE),
        ((None, None, NAN), Rule.SERIES_ID_MISSING),
    ],
)
def test_a_row_wrong_by_itself_is_rejected_with_its_rule(row, rule):
    verdict = judge(rows(*month("a", 0), row, *month("b", 0)), max_gap=9)
    assert broken(verdict) == [OK, rule, OK]
    assert verdict.rejected == {rule.label: 1}
    assert verdict.accepted == 2


def test_every_rule_says_what_to_do():
    assert set(ADVICE) == set(Rule) - {OK}


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize(
    ("frequency", "right", "wrong"),
    [
        ("M", "2024-02-01T00:00:00", "2024-02-29T00:00:00"),
        ("D", "2024-02-29T00:00:00", "2024-02-29T00:00:01"),
        ("h", "2024-02-29T07:00:00", "2024-02-29T07:30:00"),
        ("min", "2024-02-29T07:01:00", "2024-02-29T07:01:30"),
        ("W-SUN", "2024-02-26T00:00:00", "2024-02-25T00:00:00"),
        ("Q-DEC", "2024-04-01T00:00:00", "2024-05-01T00:00:00"),
        ("Y-DEC", "2024-01-01T00:00:00", "2024-02-01T00:00:00"),
        ("D", "1969-12-31T00:00:00", "1969-12-31T23:59:59"),
    ],
)
def test_timestamps_are_the_first_moment_of_a_period(unit, frequency, right, wrong):
    assert broken(judge(rows(("a", right, 1.0), ("b", wrong, 1.0), unit=unit), frequency=frequency)) == [
        OK,
        Rule.OFF_GRID,
    ]


def test_a_multiple_takes_the_grid_of_most_rows_of_each_series():
    times = ["2024-01-01T00:07", "2024-01-01T00:22", "2024-01-01T00:30", "2024-01-01T00:37"]
    other = [("b", "2024-01-01T00:15", 1.0), ("b", "2024-01-01T00:30", 1.0)]
    verdict = judge(rows(*(("a", t, 1.0) for t in times), *other), frequency="15min")
    assert broken(verdict) == [OK, OK, Rule.OFF_GRID, OK, OK, OK]


def test_later_rows_do_not_move_the_grid_of_earlier_ones():
    past = [("a", "2024-01-01T00:00", 1.0), ("a", "2024-01-01T00:15", 1.0)]
    later = [("a", f"2024-01-02T{hour:02}:05", 1.0) for hour in range(20)]
    verdict = judge(rows(*past, *later), frequency="15min", as_of="2024-01-01T12:00")
    assert broken(verdict)[:2] == [OK, OK]
    assert set(broken(verdict)[2:]) == {Rule.OFF_GRID}


def test_the_first_of_equal_copies_is_kept_and_of_different_ones_none():
    copies = rows(*month("a", 0, 1, 1, 1), *month("b", 0, 0), *month("b", 0, value=2.0), *month("b", 1))
    conflict = [Rule.CONFLICT] * 3
    assert broken(judge(copies)) == [OK, OK, Rule.DUPLICATE, Rule.DUPLICATE, *conflict, OK]


def test_copies_are_found_across_batches():
    assert broken(judge(rows(*month("a", 0, 1)), rows(*month("a", 1, 2)))) == [OK, OK, Rule.DUPLICATE, OK]


def test_copies_that_differ_in_an_exogenous_column_conflict():
    given = rows(("a", "2020-01-01", 1.0, 2.0), ("a", "2020-01-01", 1.0, 3.0), exogenous=("x",))
    assert broken(judge(given, exogenous=("x",))) == [Rule.CONFLICT] * 2
    swapped = rows(("a", "2020-01-01", 1.0, 2.0), ("a", "2020-01-01", 2.0, 1.0), exogenous=("x",))
    assert broken(judge(swapped, exogenous=("x",))) == [Rule.CONFLICT] * 2


def test_a_negative_zero_is_a_copy_of_zero():
    assert broken(judge(rows(*month("a", 0, value=0.0), *month("a", 0, value=-0.0)))) == [OK, Rule.DUPLICATE]


def test_a_value_and_a_null_at_one_time_conflict():
    given = rows(("a", "2020-01-01", 1.0, 2.0), ("a", "2020-01-01", None, 2.0), exogenous=("x",))
    assert broken(judge(given, exogenous=("x",))) == [Rule.CONFLICT] * 2


@pytest.mark.parametrize(("max_gap", "rule"), [(0, Rule.GAP_TOO_LONG), (1, Rule.GAP_TOO_LONG), (2, OK)])
def test_a_gap_is_counted_in_missing_steps_and_rejects_its_series_alone(max_gap, rule):
    verdict = judge(rows(*month("a", 0, 1, 4), *month("b", 0, 1, 2)), max_gap=max_gap)
    assert broken(verdict) == [rule] * 3 + [OK] * 3
    assert verdict.entities == (1 if rule else 2)


def test_a_rejected_row_leaves_a_gap():
    given = rows(*month("a", 0), *month("a", 1, value=NAN), *month("a", 2))
    assert broken(judge(given)) == [Rule.GAP_TOO_LONG, Rule.VALUE_NOT_FINITE, Rule.GAP_TOO_LONG]


def test_gaps_of_a_multiple_are_counted_in_its_steps():
    times = ["2024-01-01T00:00", "2024-01-01T00:15", "2024-01-01T00:45"]
    given = rows(*(("a", t, 1.0) for t in times))
    assert set(broken(judge(given, frequency="15min"))) == {Rule.GAP_TOO_LONG}
    assert set(broken(judge(given, frequency="15min", max_gap=1))) == {OK}


def test_a_series_needs_its_length_up_to_as_of_filled_gaps_included():
    given = rows(*month("a", 0, 1, 2), *month("b", 1, 2), *month("c", 0, 2))
    short = [Rule.SERIES_TOO_SHORT] * 2
    assert broken(judge(given, min_length=3, max_gap=1)) == [OK, OK, OK, *short, OK, OK]
    assert set(broken(judge(given, min_length=3, max_gap=1, as_of="2020-02-01"))) == {Rule.SERIES_TOO_SHORT}


def test_rows_after_as_of_are_accepted_and_their_gaps_ignored():
    verdict = judge(rows(*month("a", 0, 1, 7), *month("later", 9)), as_of="2020-02-15")
    assert broken(verdict) == [OK] * 4
    assert verdict.entities == 2


def test_rows_without_a_value_are_right_after_the_last_value_when_there_are_exogenous_columns():
    given = rows(
        ("a", "2020-01-01", 1.0, 1.0),
        ("a", "2020-02-01", None, 1.0),
        ("a", "2020-03-01", 1.0, 1.0),
        ("a", "2020-04-01", None, 1.0),
        ("never", "2020-04-01", None, 1.0),
        exogenous=("x",),
    )
    verdict = judge(given, exogenous=("x",), max_gap=1)
    assert broken(verdict) == [OK, Rule.VALUE_MISSING, OK, OK, Rule.VALUE_MISSING]
    assert verdict.newest == datetime(2020, 3, 1)


def test_whether_a_null_lies_after_the_last_value_is_decided_by_values_up_to_as_of():
    months = ["2020-01-01", "2020-02-01", "2020-03-01"]
    given = rows(*(("a", time, value, 1.0) for time, value in zip(months, [1.0, None, 1.0])), exogenous=("x",))
    assert broken(judge(given, exogenous=("x",), as_of="2020-02-01")) == [OK, OK, OK]
    assert broken(judge(given, exogenous=("x",), max_gap=1)) == [OK, Rule.VALUE_MISSING, OK]


@pytest.mark.parametrize("bad", [None, NAN, INF])
def test_every_exogenous_value_must_be_finite(bad):
    given = rows(("a", "2020-01-01", 1.0, 1.0, 1.0), ("a", "2020-02-01", 1.0, 1.0, bad), exogenous=("x", "y"))
    assert broken(judge(given, exogenous=("x", "y"))) == [OK, Rule.EXOGENOUS_NOT_FINITE]


def test_one_series_and_no_rows():
    assert judge(rows(*month("a", 0, 1, 2))).entities == 1
    for nothing in (judge(), judge(rows())):
        assert (nothing.accepted, nothing.entities, nothing.newest, nothing.rejected) == (0, 0, None, {})


def test_the_newest_value_is_reported():
    verdict = judge(rows(*month("a", 0, 1), *month("b", 4), ("c", "2030-01-01", NAN)))
    assert (verdict.oldest, verdict.newest, verdict.notes) == (datetime(2020, 1, 1), datetime(2020, 5, 1), ())


def test_rejected_rows_say_nothing_of_the_newest_value():
    """A mistyped year is a gap of its series; the series is rejected, and its other values do not count either."""
    verdict = judge(rows(*month("a", *range(12)), *month("b", *range(15), 22 * 12)))
    assert verdict.rejected == {"gap_too_long": 16}
    assert verdict.newest == datetime(2020, 12, 1)


@pytest.mark.parametrize(
    ("far", "max_gap", "newest", "told"),
    [
        ([], 0, "2020-12-01", None),
        (
            [("typo", 270)],
            0,
            "2020-12-01",
            "1 of 37 accepted rows lies far after all others: series 'typo' at 2042-07-01",
        ),
        ([("typo", 16)], 0, "2020-12-01", "series 'typo' at 2021-05-01"),
        ([("typo", 15)], 0, "2021-04-01", None),  # three steps and fewer may be a late delivery
        ([("typo", 18)], 6, "2021-07-01", None),  # nor is it far where a series may have such a gap
        ([("typo", 270), ("other", 500)], 0, "2020-12-01", "'typo' at 2042-07-01 00:00, 'other' at 2061-09-01"),
        ([(f"new {n}", 270) for n in range(5)], 0, "2042-07-01", None),  # more than a tenth: no mistake
    ],
)
def test_a_few_rows_far_beyond_the_rest_are_told_and_do_not_make_the_newest_value(far, max_gap, newest, told):
    given = rows(*(row for name in "abc" for row in month(name, *range(12))), *(month(*row)[0] for row in far))
    verdict = judge(given, max_gap=max_gap)
    assert verdict.rejected == {}
    assert verdict.newest == datetime.fromisoformat(newest)
    assert bool(verdict.notes) == bool(told)
    assert told is None or told in verdict.notes[0]


@pytest.mark.parametrize(("resumed", "newest"), [("abc", "2020-11-01"), ("a", "2020-06-01")])
def test_series_that_go_on_after_a_hole_are_no_mistake(resumed, newest):
    """Nothing was collected for four months; a prediction takes series with gaps."""
    given = rows(*(row for name in "abcd" for row in month(name, *range(-20, 6))), *(month(n, 10)[0] for n in resumed))
    verdict = judge(given, reject_gaps=False)
    assert verdict.rejected == {}
    assert bool(verdict.notes) == (resumed == "a")
    assert verdict.newest == datetime.fromisoformat(newest)


def test_a_mistyped_year_in_a_series_alone():
    verdict = judge(rows(*month("a", *range(12), 264)), reject_gaps=False)
    assert verdict.newest == datetime(2020, 12, 1)
    assert "'a' at 2042-01-01" in verdict.notes[0]


def test_a_text_that_is_no_time_is_rejected_with_its_text():
    given = rows(*month("a", 0, 1)).append_column(UNREADABLE, pa.array([None, {"column": "t", "text": "?"}]))
    assert broken(judge(given)) == [OK, Rule.TIMESTAMP_UNREADABLE]
