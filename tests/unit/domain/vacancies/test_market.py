"""The market by day: counts, medians, and the series that are made of them."""

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from xflow.domain.vacancies.market import LISTING_SCHEMA, MARKET_SCHEMA, market_of, market_series, seen_days

FIRST = datetime(2026, 10, 1)


def listing(role: str = "96", area: str = "1", day: int = 0, **salary: Any) -> dict[str, Any]:
    usual = dict.fromkeys(("salary_from", "salary_to", "salary_gross", "salary_rate", "salary_mode"))
    place = {"professional_role_id": role, "area_id": area}
    return {"day": FIRST + timedelta(days=day), "snapshot_id": f"s{day}"} | place | usual | salary


def market_rows(listings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return market_of(pa.Table.from_pylist(listings, LISTING_SCHEMA), "a").to_pylist()


def test_counts_and_medians_by_role_and_area() -> None:
    paid = [listing(salary_from=amount, salary_gross=False, salary_rate=1) for amount in (10, 20, 30, 40, 1000)]
    rows = market_rows([*paid, listing(), listing(area="2"), listing(role="160", area="2")])
    place = ("professional_role_id", "area_id", "open", "stated", "salary_net")
    assert [tuple(row[name] for name in place) for row in rows] == [
        ("160", "2", 1, 0, None),
        ("96", "1", 6, 5, 30.0),
        ("96", "2", 1, 0, None),
    ]
    assert {(row["scope"], row["snapshot_id"], row["day"]) for row in rows} == {("a", "s0", FIRST)}


def test_salaries_are_net_monthly_roubles() -> None:
    paid = [listing(salary_from=100, salary_to=300, salary_gross=True, salary_rate=0.5)] * 5
    assert market_rows(paid)[0]["salary_net"] == pytest.approx(200 * 0.87 / 0.5)


def test_a_median_of_few_salaries_is_not_told() -> None:
    paid = [listing(salary_from=100, salary_gross=False, salary_rate=1)] * 4
    unknown = listing(salary_from=100, salary_gross=False, salary_rate=None)  # in a currency without a rate
    (row,) = market_rows([*paid, unknown])
    assert (row["stated"], row["salary_net"]) == (4, None)


def test_a_median_is_of_salaries_by_the_month_alone() -> None:
    monthly = [listing(salary_from=100_000, salary_rate=1, salary_mode=mode) for mode in (None, "MONTH") * 3]
    others = [
        listing(salary_from=300, salary_rate=1, salary_mode=mode) for mode in ("HOUR", "SHIFT", "SERVICE", "X") * 3
    ]
    reversed_ = listing(salary_from=200_000, salary_to=1, salary_rate=1)
    (row,) = market_rows([*monthly, *others, reversed_])
    assert (row["open"], row["stated"], row["salary_net"]) == (19, 6, 100_000.0)


def market(days: dict[int, dict[tuple[str, str], tuple[int, float | None]]]) -> pa.Table:
    rows = [
        {
            "day": FIRST + timedelta(days=day), "professional_role_id": role, "area_id": area, "scope": "a",
            "snapshot_id": f"s{day}", "open": count, "stated": 5, "salary_net": salary,
        }
        for day, groups in days.items()
        for (role, area), (count, salary) in groups.items()
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, MARKET_SCHEMA)


def series(
    days: dict[int, dict[tuple[str, str], tuple[int, float | None]]], **limits: int
) -> dict[str, dict[int, float]]:
    made = market_series(market(days), **({"min_length": 3, "max_gap": 1} | limits))
    found: dict[str, dict[int, float]] = {}
    for row in made.to_pylist():
        found.setdefault(row["series_id"], {})[(row["timestamp"] - FIRST).days] = row["value"]
    return found


def test_series_of_counts_and_salaries() -> None:
    days = {day: {("96", "1"): (5 + day, 100.0 + day), ("160", "2"): (day + 1, None)} for day in range(3)}
    assert series(days) == {
        "open|160|2": {0: 1, 1: 2, 2: 3},
        "open|96|1": {0: 5, 1: 6, 2: 7},
        "salary|96|1": {0: 100, 1: 101, 2: 102},
    }


def test_a_day_not_seen_is_a_gap_and_a_group_not_seen_counts_zero() -> None:
    one, other = ("96", "1"), ("160", "1")
    days = {0: {one: (5, None)}, 1: {one: (6, None), other: (1, None)}, 3: {one: (7, None)}, 4: {one: (8, None)}}
    assert series(days) == {"open|96|1": {0: 5, 1: 6, 3: 7, 4: 8}, "open|160|1": {1: 1, 3: 0, 4: 0}}


def test_what_lies_before_a_long_gap_is_left_out() -> None:
    days = {day: {("96", "1"): (day, None)} for day in (0, 1, 2, 5, 6, 7)}
    assert series(days) == {"open|96|1": {5: 5, 6: 6, 7: 7}}
    assert series(days, max_gap=2) == {"open|96|1": {day: day for day in days}}


def test_too_short_stale_and_constant_series_are_left_out() -> None:
    one, other = ("96", "1"), ("160", "1")
    assert series({day: {one: (day, None)} for day in range(2)}) == {}
    assert series({day: {one: (5, None)} for day in range(9)}) == {}
    stale = {day: {one: (day, None), other: (1, 100.0 + day if day < 5 else None)} for day in range(8)}
    assert set(series(stale)) == {"open|96|1"}


def test_groups_without_role_or_area_are_left_out() -> None:
    assert series({day: {("", "1"): (day, 1.0 + day), ("96", ""): (day, None)} for day in range(5)}) == {}


def test_no_market_at_all() -> None:
    assert series({}) == {}
    assert seen_days(market({})) == 0
    assert seen_days(market({0: {("1", "1"): (1, None), ("2", "1"): (1, None)}, 4: {("1", "1"): (1, None)}})) == 2
