"""Salaries of the generated sample as the API states them since 2026: what is paid for, and how often."""

from typing import Any

MODES = {
    "MONTH": ("За месяц", 1.0),
    "HOUR": ("За час", 1 / 165),
    "SHIFT": ("За смену", 1 / 15),
    "SERVICE": ("За услугу", 1 / 20),
    "FLY_IN_FLY_OUT": ("За вахту", 1.5),
}
"""Name of a mode of pay, and its share of a month's."""

FREQUENCIES = {"TWICE_PER_MONTH": "Два раза в месяц", "MONTHLY": "Раз в месяц", "WEEKLY": "Раз в неделю"}

OTHERS = {7: "HOUR", 17: "SHIFT", 27: "SERVICE", 37: "FLY_IN_FLY_OUT", 47: "HOUR"}
"""Modes other than the month's, by the number of a posting modulo 100."""


def stated(month: dict[str, Any] | None, number: int) -> dict[str, Any]:
    """Return `salary_range` and the deprecated `salary` with its figures; 5 of 100 are not by the month.

    Parameters
    ----------
    month
        A salary by the month: from, to, currency, gross; None: none is stated.
    number
        The posting's, which decides the mode.
    """
    if month is None:
        return {"salary": None, "salary_range": None}
    mode = OTHERS.get(number % 100, "MONTH")
    name, share = MODES[mode]
    ends = {end: month[end] if month[end] is None else max(round(month[end] * share), 1) for end in ("from", "to")}
    salary = month | ends
    paid = [*FREQUENCIES][number % len(FREQUENCIES)]
    kind = {"mode": {"id": mode, "name": name}, "frequency": {"id": paid, "name": FREQUENCIES[paid]}}
    return {"salary": salary, "salary_range": salary | kind}
