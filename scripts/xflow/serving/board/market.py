"""The vacancy market: open vacancies and salaries by day, role and area, and their forecast."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files

from xflow.adapters.board_reader import Reading, Row
from xflow.serving.board.market_forecast import market_forecast
from xflow.serving.board.names import Names, names_of
from xflow.serving.board.view import Json, View, utc
from xflow.vacancy_pipeline import VacancyPipeline

NEWEST = "SELECT scope, day FROM mart.${pipeline}_market ORDER BY day DESC, snapshot_id DESC LIMIT 1"
GROUPS = """
SELECT professional_role_id AS role, area_id AS area, open, stated, salary_net
FROM mart.${pipeline}_market
WHERE scope = %(scope)s AND day = %(day)s
"""
WEEK = timedelta(days=7)
MOST_PARTS = 30


@dataclass(frozen=True, slots=True)
class Market:
    """The newest day of a market.

    Attributes
    ----------
    scope
        Of the newest day: days of other queries, or another window, cannot be compared with it.
    groups
        One row a role and area.
    """

    scope: str
    day: datetime
    groups: list[Row]


def filters(view: View, name: str) -> Json:
    """Return the roles and areas that can be chosen, those of the most open vacancies first."""
    pipeline = view.vacancy_pipeline(name)
    with view.reader.reading("read the market's filters for the board") as reading:
        market, names = _market(reading, pipeline), names_of(reading, pipeline)
    groups = market.groups if market else []
    return {
        "roles": _choices({row["role"] for row in groups} | names.roles.keys(), groups, "role", names.role),
        "areas": _choices({row["area"] for row in groups} | names.areas.keys(), groups, "area", names.area),
    }


def market(view: View, name: str, role: str | None, area: str | None, days: int) -> Json:
    """Return the market of a role and an area, or of all: by day, its parts now, and the forecast."""
    pipeline = view.vacancy_pipeline(name)
    with view.reader.reading("read the market for the board") as reading:
        found, names = _market(reading, pipeline), names_of(reading, pipeline)
        by_day = _days(reading, pipeline, found, (role, area), days + WEEK.days) if found else []
        chosen = [row for row in found.groups if _is(row, role, area)] if found else []
        forecast = market_forecast(view, reading, pipeline, chosen, (role, area))
    groups = found.groups if found else []
    now = by_day[-1] if by_day else None
    return {
        "role": role,
        "area": area,
        "day": utc(found.day) if found else None,
        "open_now": now["open"] if now else None,
        "stated_now": now["stated"] if now else None,
        "salary_now": now["salary"] if now else None,
        "open_change": _change(by_day),
        "salary_kind": "median" if role is not None and area is not None else "mean of medians",
        "days": [{**row, "day": utc(row["day"])} for row in by_day[-days:]],
        "by_role": _parts([row for row in groups if _is(row, None, area)], "role", names),
        "by_area": _parts([row for row in groups if _is(row, role, None)], "area", names),
        "forecast": forecast,
        "links": {"dag": view.links.dag(pipeline.name, "collect")},
    }


def _market(reading: Reading, pipeline: VacancyPipeline) -> Market | None:
    if not reading.has(f"{pipeline.name}_market"):
        return None
    newest = reading.row(NEWEST, pipeline=pipeline.name)
    if newest is None:
        return None
    return Market(newest["scope"], newest["day"], reading.rows(GROUPS, newest, pipeline=pipeline.name))


def _days(
    reading: Reading, pipeline: VacancyPipeline, found: Market, chosen: tuple[str | None, str | None], days: int
) -> list[Row]:
    """Return the market by day, from the first day on which what was chosen was seen."""
    statement = files("xflow.sql").joinpath("board_market_days.sql").read_text(encoding="utf-8")
    since = found.day - timedelta(days=days)
    asked = {"scope": found.scope, "since": since, "role": chosen[0], "area": chosen[1]}
    rows = reading.rows(statement, asked, pipeline=pipeline.name)
    seen = next((place for place, row in enumerate(rows) if row["groups"]), len(rows))
    return [{name: row[name] for name in ("day", "open", "stated", "salary")} for row in rows[seen:]]


def _is(row: Row, role: str | None, area: str | None) -> bool:
    return role in {None, row["role"]} and area in {None, row["area"]}


def _change(by_day: Sequence[Row]) -> int | None:
    """Return how many more vacancies are open than a week before the last day."""
    known = {row["day"]: row["open"] for row in by_day}
    last = max(known, default=None)
    before = known.get(last - WEEK) if last else None
    return None if before is None else int(known[last] - before)


def _parts(groups: Sequence[Row], name: str, names: Names) -> list[Json]:
    """Return the largest parts by role or by area: open vacancies, and the mean of the medians of their groups."""
    found = []
    for number in {row[name] for row in groups}:
        rows = [row for row in groups if row[name] == number]
        known = [row for row in rows if row["salary_net"] is not None and row["stated"]]
        stated = sum(row["stated"] for row in known)
        salary = sum(row["stated"] * row["salary_net"] for row in known) / stated if stated else None
        called = names.role(number) if name == "role" else names.area(number)
        found.append({"id": number, "name": called, "open": sum(row["open"] for row in rows), "salary": salary})
    return sorted(found, key=lambda part: (-part["open"], part["id"]))[:MOST_PARTS]


def _choices(ids: set[str], groups: Sequence[Row], name: str, called: Callable[[str], str]) -> list[Json]:
    """Return ids with their names; vacancies that name none are among all, and are no choice."""
    made = [
        {
            "id": number,
            "name": called(number),
            "open": sum(row["open"] for row in groups if row[name] == number) if groups else None,
        }
        for number in ids
        if number
    ]
    return sorted(made, key=lambda each: (-(each["open"] or 0), each["name"], each["id"]))
