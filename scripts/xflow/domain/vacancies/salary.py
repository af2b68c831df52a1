"""One figure for a salary: what is paid a month, net, in roubles."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

INCOME_TAX = 0.13
"""Share of a salary stated before tax (gross) that the income tax takes."""

LARGEST = 1e12
"""No salary and no rate is as large."""

MONTH = "MONTH"
"""hh.ru's mode of pay by which a figure is a month's. The others are HOUR, SHIFT, SERVICE and FLY_IN_FLY_OUT."""

ROUBLE = "RUR"
ROUBLES = (ROUBLE, "RUB", "₽", "РУБ")
"""What stands for roubles."""

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def net_monthly(salary_from: Any, salary_to: Any, gross: Any, rate: Any, mode: Any = None) -> Floats:
    """Return monthly net salaries in roubles, NaN where none is stated, or none that can be told.

    With both ends the figure is their midpoint, with one it is that end. Gross figures lose the income tax
    of 13 %; where nobody says whether a figure is gross, it counts as net, as stated. A figure of another
    currency is divided by its rate. What is paid by the hour, the shift or the service is no month's salary and is not
    made one; neither is a range in the wrong order or out of bounds.

    Parameters
    ----------
    salary_from, salary_to
        Ends of the range, shape (n,), in the currency stated; null, NaN and 0 are not stated.
    gross
        True before tax, False net, null unknown, shape (n,).
    rate
        Units of the currency for one rouble (1 for roubles), shape (n,) or one number; where it is null, NaN,
        out of bounds or not above 0 the figure is NaN, whatever is stated.
    mode
        What the figure is paid for, shape (n,) or one code; see `monthly`.
    """
    ends = np.stack([_numbers(salary_from), _numbers(salary_to)])
    given = stated(*ends)
    # a midpoint of the two, or the one there is: 0 / 0 where there is none
    with np.errstate(invalid="ignore"):
        figure = np.where(np.isnan(ends), 0, ends).sum(axis=0) / (~np.isnan(ends)).sum(axis=0)
    right = given & ~out_of_range(ends).any(axis=0) & ~(ends[0] > ends[1]) & monthly(mode)
    before_tax = pd.array(np.asarray(gross, dtype=object), dtype="boolean").fillna(False).to_numpy(bool)
    figure = np.where(right, figure, np.nan) * np.where(before_tax, 1 - INCOME_TAX, 1.0)
    divisor = _numbers(rate)
    return np.asarray(figure / np.where(out_of_range(divisor), np.nan, divisor), dtype=np.float64)


def stated(salary_from: Any, salary_to: Any) -> Bools:
    """Return where a salary is stated, whatever it is, shape (n,): null, NaN and 0 state none."""
    return np.asarray(~(np.isnan(_numbers(salary_from)) & np.isnan(_numbers(salary_to))))


def out_of_range(amounts: Floats) -> Bools:
    """Return which amounts, or rates, can be none: those not above 0, and too large ones. NaN is in range."""
    return np.asarray((amounts <= 0) | (amounts >= LARGEST))


def monthly(mode: Any) -> Bools:
    """Return where a mode of pay is the month's, shape (n,).

    Those without a mode are: hh.ru stated every salary by the month before it named modes. A code that is not known
    is not.
    """
    codes = np.atleast_1d(np.asarray(mode, dtype=object)).tolist()
    return np.array([pd.isna(code) or is_month(str(code)) for code in codes], dtype=np.bool_)


def is_month(mode: str) -> bool:
    """Return whether a mode of pay is the month's, or empty."""
    return mode.strip().upper() in {"", MONTH}


def currency_code(currency: str | None) -> str | None:
    """Return a currency's code as the API's dictionary writes it: upper case, `ROUBLE` for all that means roubles."""
    if currency is None:
        return None
    code = currency.strip().upper()
    return ROUBLE if code.rstrip(".") in ROUBLES else code


def _numbers(values: Any) -> Floats:
    """Return numbers with NaN for null and 0."""
    numbers = pd.to_numeric(pd.Series(np.atleast_1d(np.asarray(values, dtype=object)))).to_numpy(np.float64)
    return np.where(numbers == 0, np.nan, numbers)
