"""Salaries as the API has stated them over the years, as columns of a flat vacancy."""

from typing import Any

import pytest

from xflow.domain.vacancies.salary_item import salary_facts

COLUMNS = ("salary_from", "salary_to", "salary_currency", "salary_gross", "salary_mode", "salary_frequency")
OLD = {"from": 100_000, "to": None, "currency": "RUR", "gross": True}
HOUR = {"mode": {"id": "HOUR", "name": "За час"}, "frequency": {"id": "WEEKLY", "name": "Раз в неделю"}}
MONTH = {"mode": {"id": "MONTH", "name": "За месяц"}, "frequency": None}
NOTHING = (None,) * 6


def facts(**item: Any) -> tuple[Any, ...]:
    found = salary_facts(item)
    return tuple(found[name] for name in COLUMNS)


@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        ({}, NOTHING),
        ({"salary": None, "salary_range": None}, NOTHING),
        ({"salary": OLD}, (100_000, None, "RUR", True, None, None)),
        ({"salary": OLD, "salary_range": OLD | MONTH}, (100_000, None, "RUR", True, "MONTH", None)),
        ({"salary_range": OLD | HOUR}, (100_000, None, "RUR", True, "HOUR", "WEEKLY")),
        ({"salary": OLD, "salary_range": {"to": 300} | HOUR}, (None, 300, None, None, "HOUR", "WEEKLY")),
        ({"salary": OLD, "salary_range": OLD}, (100_000, None, "RUR", True, None, None)),
        ({"salary": OLD, "salary_range": OLD | {"mode": None}}, (100_000, None, "RUR", True, None, None)),
        ({"salary_range": OLD | {"mode": {"id": "WEEK"}}}, (100_000, None, "RUR", True, "WEEK", None)),
        (
            {"salary_range": OLD | {"mode": {"id": None, "name": "За час"}}},
            (100_000, None, "RUR", True, "За час", None),
        ),
        ({"salary_range": OLD | {"mode": "HOUR"}}, (100_000, None, "RUR", True, "HOUR", None)),
        ({"salary_range": OLD | {"mode": {"id": 5}}}, (100_000, None, "RUR", True, "5", None)),
        ({"salary_range": OLD | {"mode": ["HOUR"]}}, (100_000, None, "RUR", True, '["HOUR"]', None)),
        ({"salary_range": OLD | {"mode": {"code": "HOUR"}}}, (100_000, None, "RUR", True, '{"code": "HOUR"}', None)),
        ({"salary_range": OLD | {"mode": {}, "frequency": ""}}, (100_000, None, "RUR", True, None, None)),
        ({"salary": OLD, "salary_range": {"from": 0, "to": 0} | MONTH}, (100_000, None, "RUR", True, "MONTH", None)),
        ({"salary_range": {"from": "100\u202f000", "to": "1 2"} | MONTH}, (100_000, 12, None, None, "MONTH", None)),
        ({"salary": OLD, "salary_range": HOUR}, (100_000, None, "RUR", True, "HOUR", "WEEKLY")),
        ({"salary_range": {"frequency": {"id": "DAILY"}}}, (None, None, None, None, None, "DAILY")),
        ({"salary": OLD, "salary_range": "much"}, (100_000, None, "RUR", True, None, None)),
        ({"salary_range": {"from": "300", "currency": "rub"} | HOUR}, (300, None, "RUR", None, "HOUR", "WEEKLY")),
        ({"salary": {"from": "от 5", "to": True, "currency": 5, "gross": "да"}}, (None, None, "5", None, None, None)),
    ],
    ids=str,
)
def test_an_item(item: dict[str, Any], wanted: tuple[Any, ...]) -> None:
    assert facts(**item) == wanted
