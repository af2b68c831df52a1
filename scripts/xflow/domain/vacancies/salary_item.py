"""The salary of an item as hh.ru's API states it: its `salary_range`, or the deprecated `salary`.

`salary_range` says for what a figure is paid (`mode`: MONTH, HOUR, SHIFT, SERVICE, FLY_IN_FLY_OUT) and how often
(`frequency`: MONTHLY, TWICE_PER_MONTH, ...); `salary` beside it has the same figures without either.
"""

import json
from collections.abc import Mapping
from typing import Any

from xflow.domain.vacancies.api_values import code, number, part, text
from xflow.domain.vacancies.salary import currency_code, is_month

RANGE = "salary_range"


def salary_facts(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the salary's columns of a flat vacancy, the rate apart.

    The figures are those of `salary_range` where it states any, else those of `salary`. Mode and frequency are what
    `salary_range` says, as it is, unknown ones too; None where it says nothing.
    """
    modern = part(item, RANGE)
    figures = modern if _states(modern) else part(item, "salary")
    gross = figures.get("gross")
    return {
        "salary_from": number(figures.get("from")),
        "salary_to": number(figures.get("to")),
        "salary_currency": currency_code(text(figures.get("currency"))),
        "salary_gross": gross if isinstance(gross, bool) else None,
        "salary_mode": _named(modern, "mode"),
        "salary_frequency": _named(modern, "frequency"),
    }


def told_mode(item: Mapping[str, Any]) -> str | None:
    """Return the mode of a salary that is not by the month, ``""`` of a `salary_range` without a mode, else None."""
    found = salary_facts(item)
    if not (found["salary_from"] or found["salary_to"]):
        return None
    mode = found["salary_mode"] or ""
    return mode if not is_month(mode) or (not mode and _states(part(item, RANGE))) else None


def _named(salary: Mapping[str, Any], name: str) -> str | None:
    """Return the code of an entry of a dictionary, else what there is of it: a figure by the hour stays one."""
    found = salary.get(name)
    known = code(salary, name) or text(part(salary, name).get("name")) or text(found)
    return known or (json.dumps(found, ensure_ascii=False) if found else None)


def _states(salary: Mapping[str, Any]) -> bool:
    return any(number(salary.get(end)) for end in ("from", "to"))
