"""One figure for a salary: what is paid a month, net, in roubles."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

INCOME_TAX = 0.13
"""Share of a salary stated before tax (gross) that the income tax takes."""


def net_monthly(salary_from: Any, salary_to: Any, gross: Any, rate: Any) -> npt.NDArray[np.float64]:
    """Return monthly net salaries in roubles, NaN where none is stated.

    With both ends the figure is their midpoint, with one it is that end. Gross figures lose the income tax
    of 13 %; where nobody says whether a figure is gross, it counts as net, as stated. A figure of another
    currency is divided by its rate. hh.ru states every salary by the month.

    Parameters
    ----------
    salary_from, salary_to
        Ends of the range, shape (n,), in the currency stated; null, NaN, 0 and negative ones are not stated.
    gross
        True before tax, False net, null unknown, shape (n,).
    rate
        Units of the currency for one rouble (1 for roubles), shape (n,) or one number; where it is null, NaN,
        0 or negative the figure is NaN, whatever is stated.
    """
    low, high = _positive(salary_from), _positive(salary_to)
    ends = np.stack([low, high])
    stated = np.isfinite(ends)
    # a midpoint of the two, or the one there is: 0 / 0 where there is none
    with np.errstate(invalid="ignore"):
        figure = np.where(stated, ends, 0).sum(axis=0) / stated.sum(axis=0)
    before_tax = pd.array(np.asarray(gross, dtype=object), dtype="boolean").fillna(False).to_numpy(bool)
    figure = figure * np.where(before_tax, 1 - INCOME_TAX, 1.0)
    return np.asarray(figure / _positive(rate), dtype=np.float64)


def _positive(values: Any) -> npt.NDArray[np.float64]:
    numbers = pd.to_numeric(pd.Series(np.atleast_1d(np.asarray(values, dtype=object)))).to_numpy(np.float64)
    return np.where(np.isfinite(numbers) & (numbers > 0), numbers, np.nan)
