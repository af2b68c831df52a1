"""Differences between two trainings are found, named and sized."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xflow.domain.reproduction import compare_documents, compare_tables, relative

numbers = st.floats(allow_nan=True, allow_infinity=True)


@given(numbers, numbers)
def test_a_relative_difference_is_symmetric_and_zero_for_equal_values_alone(one, other):
    size = relative(np.array([one]), np.array([other]))[0]
    assert size == relative(np.array([other]), np.array([one]))[0]
    assert size >= 0
    assert (size == 0) == (one == other or (math.isnan(one) and math.isnan(other)) or one - other == 0)


@pytest.mark.parametrize(
    ("then", "now", "size"), [(1.0, 2.0, 0.5), (-1.0, 1.0, 2.0), (0.0, 1e-30, 1.0), (math.nan, 1.0, math.inf)]
)
def test_a_relative_difference_has_a_known_size(then, now, size):
    assert relative(np.array(then), np.array(now)) == size


def test_documents_differ_by_path():
    then = {"a": [1, {"b": 2.0}], "c": "x", "flag": True, "gone": 1}
    now = {"a": [1, {"b": 4.0}], "c": "y", "flag": True, "new": [1]}
    found = {each.what: (each.then, each.now, each.size) for each in compare_documents(then, now)}
    assert found == {
        "a.1.b": ("2.0", "4.0", 0.5),
        "c": ("x", "y", math.inf),
        "gone": ("1", "absent", math.inf),
        "new.0": ("absent", "1", math.inf),
    }
    assert compare_documents(then, then) == []


def test_a_number_and_a_truth_are_not_the_same():
    assert [each.what for each in compare_documents({"a": 1.5}, {"a": True})] == ["a"]


def table(values, ids=("a", "b", "c"), name="x"):
    return pa.table({"id": list(ids), name: np.array(values)})


def test_tables_differ_by_their_worst_row():
    (found,) = compare_tables(table([1.0, 2.0, 3.0]), table([1.0, 2.2, 4.0]), "made")
    assert (found.what, found.then, found.now) == ("made: x of c (the worst of 2 of 3)", "3.0", "4.0")
    assert found.size == 0.25
    assert compare_tables(table([1.0, np.nan, 3.0]), table([1.0, np.nan, 3.0]), "made") == []


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (table([1.0, 2.0], "ab"), "made"),
        (table([1.0, 2.0, 3.0], name="y"), "made"),
        (table([1.0, 2.0, 3.0], "acb"), "made: id"),
    ],
    ids=["rows", "columns", "ids"],
)
def test_tables_of_other_rows_are_not_compared_row_by_row(other, what):
    (found,) = compare_tables(table([1.0, 2.0, 3.0]), other, "made")
    assert (found.what, found.size) == (what, math.inf)
