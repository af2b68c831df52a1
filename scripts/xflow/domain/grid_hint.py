"""What timestamps off the grid have in common, and which frequency they are of."""

import re

import numpy as np
import numpy.typing as npt
import pandas as pd

from xflow.domain.panel import step_of

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_FREQUENCIES = (
    *(f"Y-{month}" for month in _MONTHS),
    *(f"Q-{month}" for month in ("DEC", "OCT", "NOV")),
    "M",
    *(f"W-{day[:3].upper()}" for day in _WEEKDAYS),
    *("D", "h", "30min", "15min", "10min", "5min", "min"),
)

ENOUGH = 3
"""Times from which on their distance says something."""


def grid_hint(times: npt.NDArray[np.datetime64], frequency: str) -> str:
    """Return what timestamps off the grid have in common, and what would mend them; ``""`` when nothing is seen.

    Parameters
    ----------
    times
        Of the rows that are off the grid, without NaT, shape (n,).
    frequency
        The pipeline's.
    """
    found = pd.DatetimeIndex(np.unique(times)).as_unit("us")
    exact = np.unique(times) == found.to_numpy()
    if not len(found):
        return ""
    if not exact.all():
        return "found: parts of a microsecond: round them"
    common = _common(found)
    said = f"found: {common}" if common else "found: nothing in common"
    multiple, family = re.sub(r"\D.*", "", frequency), re.sub(r"\d+", "", frequency).partition("-")[0]
    alike = [each for each in _FREQUENCIES if each.partition("-")[0] == family]
    others = _FREQUENCIES if len(found) >= ENOUGH else ()
    fitting = [each for each in (*(multiple + each for each in alike), *others) if _fits(found, each)]
    return f"{said}; {_mend(found, frequency, family, fitting)}"


def _common(times: pd.DatetimeIndex) -> str:
    """Return what all times share: their weekday, day of the month, time of day or minute."""
    clocks, said = times - times.normalize(), []
    if len(set(times.weekday)) == 1:
        said.append(f"all on a {_WEEKDAYS[times[0].weekday()]}")
    if times.is_month_end.all():
        said.append("all on the last day of a month")
    elif len(set(times.day)) == 1:
        said.append(f"all on day {times[0].day} of a month")
    if len(set(clocks)) == 1:
        said.append(f"all at {times[0]:%H:%M:%S}" if clocks[0] else "all at midnight")
    elif len(set(times.minute)) == 1:
        said.append(f"all at minute {times[0].minute} of an hour")
    return ", ".join(said)


def _mend(times: pd.DatetimeIndex, frequency: str, family: str, fitting: list[str]) -> str:
    if fitting:
        return f"{fitting[0]} fits, {frequency} does not"
    if (times != times.normalize()).any():
        return (
            f"write the start of each {frequency}, or name the zone under contract.timezone whose clock shows it then"
        )
    if times.is_month_end.all() and family in {"M", "Q", "Y"}:
        return "write the first day of the period instead of its last"
    return f"no frequency fits: write the start of each {frequency}"


def _fits(times: pd.DatetimeIndex, frequency: str) -> bool:
    """Return whether all times begin a period, and most neighbours lie one period apart."""
    periods = times.to_period(frequency)
    if (periods.asi8 == (times - pd.Timedelta(1, "us")).to_period(frequency).asi8).any():
        return False
    return len(times) < ENOUGH or bool(np.median(np.diff(periods.asi8)) == step_of(frequency))
