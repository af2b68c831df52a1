"""What timestamps off the grid have in common, and the frequency that fits them."""

import re

import numpy as np
import pandas as pd
import pytest

from xflow.domain.contract import to_ordinals
from xflow.domain.grid_hint import grid_hint


@pytest.mark.parametrize(
    ("start", "step", "frequency", "hint"),
    [
        ("2023-01-06", "W-FRI", "W-FRI", "found: all on a Friday, all at midnight; W-THU fits, W-FRI does not"),
        ("2023-01-02", "W-MON", "W-MON", "found: all on a Monday, all at midnight; W-SUN fits, W-MON does not"),
        ("2023-01-06", "2W-FRI", "2W-FRI", "2W-THU fits, 2W-FRI does not"),
        ("2023-01-02", "W-MON", "M", "W-SUN fits, M does not"),
        ("2015-02-01", "QS-FEB", "Q-DEC", "Q-OCT fits, Q-DEC does not"),
        ("1980-04-01", "YS-APR", "Y-DEC", "Y-MAR fits, Y-DEC does not"),
        ("2023-02-01", "MS", "Q-DEC", "M fits, Q-DEC does not"),
        ("2023-01-03", "D", "W-SUN", "D fits, W-SUN does not"),
        ("2023-01-31", "ME", "M", "found: all on the last day of a month, all at midnight; write the first day"),
        ("2015-03-31", "QE", "Q-DEC", "write the first day of the period instead of its last"),
        ("1980-12-31", "YE", "Y-DEC", "write the first day of the period instead of its last"),
        ("2022-12-31 21:00", "D", "D", "found: all at 21:00:00; .* contract.timezone"),
        ("2023-01-01 00:30", "h", "h", "found: all at minute 30 of an hour; .* contract.timezone"),
        ("2023-01-15", "45D", "M", "found: all at midnight; no frequency fits: write the start of each M"),
    ],
)
def test_what_is_wrong_with_a_grid_and_what_fits(start, step, frequency, hint):
    times = pd.date_range(start, periods=48, freq=step)
    assert re.search(hint, grid_hint(times.to_numpy(), frequency))


def test_a_frequency_that_is_said_to_fit_takes_all():
    times = pd.date_range("2023-01-06", periods=24, freq="W-FRI").to_numpy()
    found = grid_hint(times, "M").split("; ")[1].split()[0]
    assert (to_ordinals(times, found) != to_ordinals(times - np.timedelta64(1, "ns"), found)).all()


def test_one_row_says_the_weekday_alone():
    assert "all on a Thursday" in grid_hint(np.array(["2023-01-05"], "M8[us]"), "W-SUN")
    assert grid_hint(np.array([], "M8[us]"), "W-SUN") == ""


def test_noise_below_a_microsecond():
    times = pd.date_range("2023-01-01", periods=9, freq="MS") + pd.Timedelta(1, "ns")
    assert grid_hint(times.to_numpy(), "M") == "found: parts of a microsecond: round them"
