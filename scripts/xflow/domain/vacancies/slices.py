"""How a search is cut into slices that the API lists whole.

The API lists at most `DEPTH` vacancies of a search, so a search is cut by date of publication, and what is
still too much is cut further. Slices begin and end at fixed times of the day, so that their URLs repeat from one
snapshot to the next and unchanged pages need not be sent again. The API rounds times to `STEP` and takes both
ends of a window as part of it: neighbours share their border, and nothing falls between them.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from xflow.vacancy_pipeline import Query

DEPTH = 2000
PER_PAGE = 100
STEP = timedelta(minutes=5)
DAY = timedelta(days=1)
MOSCOW = timedelta(hours=3)  # UTC+3, without summer time since 2014
CLOCK_AHEAD = timedelta(hours=1)  # by how much the API's clock may be ahead of ours


@dataclass(frozen=True, slots=True)
class Slice:
    """A search of what was published from `start` to `end`, both included; UTC without a zone, whole `STEP` apart."""

    query: Query
    start: datetime
    end: datetime

    @property
    def name(self) -> str:
        """A name safe in paths, the same whenever the same is searched."""
        asked = json.dumps(self.query.model_dump(mode="json"), sort_keys=True)
        minutes = (self.end - self.start) // timedelta(minutes=1)
        return f"{self.start:%Y%m%dT%H%M}-{minutes}m-{hashlib.sha256(asked.encode()).hexdigest()[:12]}"

    def params(self, page: int) -> list[tuple[str, str]]:
        """Return the parameters of one of the slice's pages, counted from 0."""
        query = self.query
        given = [("text", query.text), ("search_field", query.search_field)]
        return [
            *[(name, value) for name, value in given if value is not None],
            *[("area", area) for area in query.area],
            *[("professional_role", role) for role in query.professional_role],
            ("date_from", _local(self.start)),
            ("date_to", _local(self.end)),
            # Newest first: what is published meanwhile moves items to later pages, not past us.
            ("order_by", "publication_time"),
            ("per_page", str(PER_PAGE)),
            ("page", str(page)),
        ]


def first_slices(queries: Sequence[Query], taken_at: datetime, window_days: int) -> list[Slice]:
    """Return a slice a query and day (of Moscow) that together cover a window up to now, oldest first.

    A vacancy that is published again while we search moves from an older day to the newest, which is
    searched last: it is not missed.

    Parameters
    ----------
    taken_at
        Now, UTC without a zone.
    window_days
        Days before it that are covered.
    """
    first, last = _day(taken_at - window_days * DAY), _day(taken_at)
    starts = [first + number * DAY for number in range((last - first) // DAY + 1)]
    # Shortly before midnight the last slice has two days: one that begins in the future may be refused.
    ends = [*starts[1:], _day(taken_at + CLOCK_AHEAD) + DAY]
    return [Slice(query, *window) for window in zip(starts, ends, strict=True) for query in dict.fromkeys(queries)]


def divide(part: Slice) -> tuple[Slice, ...]:
    """Return smaller slices that together find all that a slice finds; none when it cannot be divided.

    Halves in time down to `STEP`, then halves of the areas, then of the roles that the query lists.
    """
    steps = (part.end - part.start) // STEP
    if steps > 1:
        middle = part.start + steps // 2 * STEP
        return (replace(part, end=middle), replace(part, start=middle))
    for name in ("area", "professional_role"):
        values = getattr(part.query, name)
        if len(values) > 1:
            halves = (values[: len(values) // 2], values[len(values) // 2 :])
            return tuple(replace(part, query=part.query.model_copy(update={name: half})) for half in halves)
    return ()


def scope(queries: Sequence[Query], window_days: int) -> str:
    """Return what identifies a search: snapshots of one scope list the same kind of vacancies."""
    asked = sorted(json.dumps(query.model_dump(mode="json"), sort_keys=True) for query in set(queries))
    return hashlib.sha256(json.dumps([asked, window_days]).encode()).hexdigest()[:16]


def _day(moment: datetime) -> datetime:
    """Return the beginning of a moment's day in Moscow, in UTC."""
    local = moment + MOSCOW
    return local.replace(hour=0, minute=0, second=0, microsecond=0) - MOSCOW


def _local(moment: datetime) -> str:
    return f"{moment + MOSCOW:%Y-%m-%dT%H:%M:%S}+0300"
