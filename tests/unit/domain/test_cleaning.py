"""Filling of gaps."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xflow.domain.cleaning import contiguous, fill_gaps


def test_gaps_are_filled_on_a_straight_line_column_by_column():
    filled = fill_gaps(np.array([0, 15, 60]), np.array([[1.0, 0.0], [2.0, 9.0], [8.0, 6.0]]), 15)
    assert filled.tolist() == [[1.0, 0.0], [2.0, 9.0], [4.0, 8.0], [6.0, 7.0], [8.0, 6.0]]


@given(st.sets(st.integers(-50, 50), min_size=1), st.integers(1, 3))
def test_values_that_are_there_stay(numbers, step):
    places = np.array(sorted(numbers))
    values = np.sin(places)[:, None]
    filled = fill_gaps(places * step, values, step)
    assert len(filled) == places[-1] - places[0] + 1
    assert np.array_equal(filled[places - places[0]], values)


def test_rows_known_ahead_end_at_the_first_gap_that_is_too_long():
    ordinals = np.array([0, 3, 4, 6, 9])
    assert contiguous(ordinals, 3, max_gap=1, step=1) == 4
    assert contiguous(ordinals, 3, max_gap=2, step=1) == 5
    assert contiguous(ordinals, 3, max_gap=0, step=1) == 3
    assert contiguous(ordinals, 5, max_gap=0, step=1) == 5
    assert contiguous(ordinals * 15, 3, max_gap=1, step=15) == 4
