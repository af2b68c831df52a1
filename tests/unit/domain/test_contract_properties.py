"""What holds of the contract whatever the rows are."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xflow.domain.contract import ContractChecker
from xflow.domain.rules import Rule

FREQUENCIES = {"M": "M8[M]", "D": "M8[D]", "h": "M8[h]"}
MONTHS = st.integers(0, 12).map(lambda n: np.datetime64("2020-01", "M") + n)
ANY_ROW = st.tuples(
    st.sampled_from([None, "", "a", "b", "a\0", "ü"]),
    st.one_of(st.none(), MONTHS, st.datetimes().map(np.datetime64)),
    st.one_of(st.none(), st.sampled_from([1.0, 2.0]), st.floats()),
    st.one_of(st.none(), st.just(0.0), st.floats()),
)
GOOD_ROW = st.tuples(st.sampled_from("ab"), MONTHS, st.sampled_from([1.0, 1.0, 1.0, 2.0, None]), st.just(0.0))
# Rows that are right by themselves meet the rules about whole series far more often than arbitrary ones.
ROWS = st.one_of(
    st.lists(ANY_ROW, max_size=30),
    st.lists(GOOD_ROW, max_size=30),
    st.lists(GOOD_ROW, max_size=26, unique_by=lambda row: row[:2]),
)
LIMITS = st.fixed_dictionaries(
    {
        "exogenous": st.sampled_from([(), ("x",)]),
        "max_gap": st.integers(0, 3),
        "min_length": st.integers(0, 3),
        "as_of": st.one_of(st.none(), st.integers(600, 612)),
    }
)


def batch(rows):
    columns = list(zip(*rows)) or [[]] * 4
    times = np.array([np.datetime64("NaT") if t is None else t for t in columns[1]], dtype="M8[us]")
    arrays = [pa.array(columns[0], pa.string()), pa.array(times), *(pa.array(c, pa.float64()) for c in columns[2:])]
    return pa.RecordBatch.from_arrays(arrays, ["series_id", "timestamp", "value", "x"])


def judge(rows, cut=0, frequency="M", **limits):
    checker = ContractChecker(frequency, **limits)
    for part in (rows[:cut], rows[cut:]):
        checker.add(batch(part))
    return checker.finish()


def judged(rows, verdict):
    """Return the rows with their verdicts, as a multiset."""
    return Counter((repr(row), int(code)) for row, code in zip(rows, verdict.codes))


@given(ROWS, st.integers(0, 30), LIMITS)
def test_rows_in_are_rows_accepted_and_rejected(rows, cut, limits):
    verdict = judge(rows, cut, **limits)
    assert len(verdict.codes) == len(rows)
    assert verdict.accepted + sum(verdict.rejected.values()) == len(rows)


@given(ROWS, st.integers(0, 30), LIMITS)
def test_accepted_rows_are_unique_finite_and_named(rows, cut, limits):
    verdict = judge(rows, cut, **limits)
    kept = [row for row, code in zip(rows, verdict.codes) if code == Rule.ACCEPTED]
    assert all(row[0] and row[1] is not None for row in kept)
    assert all(row[2] is None or abs(row[2]) <= 1e100 for row in kept)
    assert limits["exogenous"] or all(row[2] is not None for row in kept)
    assert len({(row[0], np.datetime64(row[1], "us")) for row in kept}) == len(kept)


@given(ROWS, st.integers(0, 30), LIMITS, st.randoms())
def test_the_order_of_rows_and_batches_does_not_matter(rows, cut, limits, random):
    shuffled = random.sample(rows, len(rows))
    assert judged(shuffled, judge(shuffled, cut, **limits)) == judged(rows, judge(rows, **limits))


@st.composite
def clean(draw):
    """Return right rows in any order, with rows known ahead, and their frequency."""
    frequency = draw(st.sampled_from(sorted(FREQUENCIES)))
    rows = []
    for name in draw(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), unique=True)):
        start = np.datetime64("2019-01", "M").astype(FREQUENCIES[frequency]) + draw(st.integers(-500, 500))
        length, ahead = draw(st.integers(3, 8)), draw(st.integers(0, 3))
        for t in range(length + ahead):
            value = draw(st.floats(-1e100, 1e100)) if t < length else None
            rows.append((name, start + t, value, 1.0))
    return draw(st.permutations(rows)), frequency


@given(clean(), st.integers(0, 30))
def test_right_rows_are_all_accepted(data, cut):
    rows, frequency = data
    verdict = judge(rows, cut, frequency, exogenous=("x",), min_length=3)
    assert verdict.rejected == {}
    assert verdict.entities == len({row[0] for row in rows})


FAULTS = {
    Rule.SERIES_ID_MISSING: lambda row: ("", *row[1:]),
    Rule.TIMESTAMP_MISSING: lambda row: (row[0], None, *row[2:]),
    Rule.TIMESTAMP_OUT_OF_RANGE: lambda row: (row[0], np.datetime64("2500-01"), *row[2:]),
    Rule.OFF_GRID: lambda row: (row[0], np.datetime64(row[1], "us") + 1, *row[2:]),
    Rule.VALUE_NOT_FINITE: lambda row: (*row[:2], float("inf"), row[3]),
    Rule.VALUE_MISSING: lambda row: (*row[:2], None, row[3]),
    Rule.EXOGENOUS_NOT_FINITE: lambda row: (*row[:3], None),
}


@pytest.mark.parametrize("rule", FAULTS)
@settings(max_examples=25)
@given(data=st.data())
def test_a_fault_is_found_wherever_it_is_put_and_harms_no_other_row(rule, data):
    rows = [(name, np.datetime64("2020-01", "M") + t, 1.0 + t, 0.0) for name in "abc" for t in range(6)]
    # Not a series' last row: a null there is a row known ahead.
    at = data.draw(st.sampled_from([i for i in range(len(rows)) if i % 6 != 5]))
    rows[at] = FAULTS[rule](rows[at])
    verdict = judge(rows, data.draw(st.integers(0, len(rows))), exogenous=("x",), max_gap=1)
    assert np.flatnonzero(verdict.codes).tolist() == [at]
    assert verdict.codes[at] == rule


@given(ROWS, ROWS, LIMITS, st.integers(600, 612))
def test_rows_after_as_of_do_not_change_the_verdict_on_earlier_ones(rows, later, limits, as_of):
    limits["as_of"] = as_of
    end = np.datetime64(0, "M") + as_of
    past = [row for row in rows if row[1] is None or np.datetime64(row[1], "M") <= end]
    future = [row for row in later if row[1] is not None and np.datetime64(row[1], "M") > end]
    judged_with_future = judge(past + future, **limits).codes[: len(past)]
    assert judged_with_future.tolist() == judge(past, **limits).codes.tolist()
