"""A generated month of snapshots in the shape of hh.ru's API, for a machine that has no real ones.

It is made up, and says so: the manifest's source, the employers' names, the hosts of the URLs, ids far above
real ones, and a line in every description. The texts hint at role, grade and skills, and these decide pay and
time to hire, with noise: what a model learns here tells that the pipeline works, nothing of the market.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from xflow.domain.vacancies import slices
from xflow.domain.vacancies.raw import Kind, RawResponse
from xflow.domain.vacancies.salary_item import told_mode
from xflow.domain.vacancies.slices import DAY, DEPTH, PER_PAGE, Slice
from xflow.ports import ObjectStore
from xflow.refs import SnapshotRef
from xflow.sample_phrases import EMOJI, ROLES
from xflow.sample_postings import AREAS, CURRENCIES, Posting, postings
from xflow.steps.snapshots import SnapshotFacts, SnapshotWriter
from xflow.vacancy_pipeline import Query

SOURCE = "generated"
HOST = "https://generated.invalid"
END = date(2026, 10, 31)
HOUR = time(6)
WINDOW_DAYS = 30
QUERY = Query(area=tuple(area for area, *_ in AREAS), professional_role=tuple(role.id for role in ROLES))

type Item = dict[str, Any]

DIRT: dict[str, Callable[[Item], bool]] = {
    "salary_missing": lambda item: item["salary"] is None,
    "salary_reversed": lambda item: 0 < (_salary(item, "to") or 0) < (_salary(item, "from") or 0),
    "currency_foreign": lambda item: _salary(item, "currency") in _rates().keys() - {"RUR"},
    "currency_unknown": lambda item: _salary(item, "currency") not in {None, *_rates()},
    "salary_not_monthly": lambda item: bool(told_mode(item)),
    "gross_unknown": lambda item: item["salary"] is not None and _salary(item, "gross") is None,
    "responsibility_missing": lambda item: _text(item).strip(" .") in {"", "<p></p>"},
    "highlighted": lambda item: "<highlighttext>" in _text(item),
    "html": lambda item: "&quot;" in _text(item),
    "emoji": lambda item: _text(item).startswith(EMOJI),
    "latin": lambda item: _text(item)[:200].isascii() and len(_text(item)) > 20,
    "anonymous": lambda item: not (item["employer"] or {}).get("id"),
    "archived": lambda item: item["archived"],
}
"""What may be wrong with an item, by name; a snapshot's figures count it."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One generated snapshot, as a collection would have left it.

    Attributes
    ----------
    id
        A name safe in paths.
    taken_at
        UTC without a zone.
    parts
        Responses by the part that holds them: ``search-<slice>``, ``detail-0``, ``dictionary``.
    facts
        The manifest's facts; `figures` counts the dirt among the listed vacancies.
    """

    id: str
    taken_at: datetime
    parts: dict[str, list[RawResponse]]
    facts: SnapshotFacts


def month(seed: int = 0, vacancies: int = 2500, days: int = 30, end: date = END) -> Iterator[Snapshot]:
    """Yield one snapshot a day, oldest first; the same for the same arguments.

    Parameters
    ----------
    vacancies
        How many there are in all; each is listed on at least one day.
    end
        Day of the last snapshot.

    Notes
    -----
    One snapshot, two thirds into the month, lacks its last page and is marked as not complete.
    """
    made = postings(vacancies, days, seed)
    first = datetime.combine(end, HOUR) - (days - 1) * DAY
    for day in range(days):
        yield _snapshot(made, day, first, complete=day != days * 2 // 3 or days < 3)


def write_month(
    store: ObjectStore,
    pipeline: str,
    *,
    seed: int = 0,
    vacancies: int = 2500,
    days: int = 30,
    end: date = END,
    git_commit: str = "",
) -> list[SnapshotRef]:
    """Write a generated month below a pipeline's raw prefix; a repeat replaces it with the same bytes."""
    return [_written(store, pipeline, each, git_commit) for each in month(seed, vacancies, days, end)]


def _written(store: ObjectStore, pipeline: str, snapshot: Snapshot, git_commit: str) -> SnapshotRef:
    writer = SnapshotWriter(store, pipeline, snapshot.id, snapshot.taken_at.isoformat())
    for name, rows in snapshot.parts.items():
        writer.write(name, rows)
    return writer.finish(snapshot.facts.model_copy(update={"git_commit": git_commit}))


def _snapshot(made: Sequence[Posting], day: int, first: datetime, *, complete: bool) -> Snapshot:
    taken_at = first + day * DAY
    items = [_item(posting, day, first) for posting in made if posting.listed(day) or _still_shown(posting, day)]
    window = Slice(QUERY, taken_at - WINDOW_DAYS * DAY, taken_at + slices.CLOCK_AHEAD)
    parts = {f"search-{part.name}": _pages(part, found, taken_at) for part, found in _cut(window, items)}
    if not complete:
        parts[max(parts)].pop()
    listed = [item for rows in parts.values() for row in rows for item in json.loads(row.body or "")["items"]]
    details = [_detail(posting, day, first) for posting in made if _wanted(posting, day)]
    facts = SnapshotFacts(
        source=SOURCE,
        scope=slices.scope((QUERY,), WINDOW_DAYS),
        complete=complete,
        vacancies=len({item["id"] for item in listed}),
        queries=(QUERY.model_dump(mode="json"),),
        found=len(items),
        collected=len(listed),
        rates=_rates(),
        figures=_dirt(listed, taken_at) | {"details": len(details)},
    )
    parts |= {"detail-0": details, "dictionary": [_dictionary(taken_at)]}
    return Snapshot(f"generated-{taken_at:%Y%m%dT%H%M%S}", taken_at, parts, facts)


def _cut(part: Slice, items: Sequence[Item]) -> Iterator[tuple[Slice, list[Item]]]:
    """Yield slices that the API would list whole, each with what it finds, newest first."""
    found = [item for item in items if part.start <= _published(item) <= part.end]
    smaller = slices.divide(part) if len(found) > DEPTH else ()
    for each in smaller:
        yield from _cut(each, found)
    if not smaller:
        yield part, sorted(found, key=_published, reverse=True)


def _pages(part: Slice, items: Sequence[Item], taken_at: datetime) -> list[RawResponse]:
    """Return a search's pages; the last item of the first page is seen twice, for it moved on while we paged."""
    shown = [*items[:PER_PAGE], *items[PER_PAGE - 1 :]] if len(items) > PER_PAGE else items
    pages = [shown[start : start + PER_PAGE] for start in range(0, max(len(shown), 1), PER_PAGE)]
    envelope = {"found": len(items), "pages": len(pages), "per_page": PER_PAGE, "clusters": None, "arguments": None}
    return [
        _response("search", f"vacancies?{_asked(part, number)}", envelope | {"page": number, "items": page}, taken_at)
        for number, page in enumerate(pages)
    ]


def _asked(part: Slice, page: int) -> str:
    return "&".join(f"{name}={value.replace('+', '%2B')}" for name, value in part.params(page))


def _item(posting: Posting, day: int, first: datetime) -> Item:
    published = _moment(first + posting.published(day) * DAY)
    times = {"published_at": published, "created_at": published}
    return posting.item | times | ({"archived": True} if day >= posting.end else {})


def _still_shown(posting: Posting, day: int) -> bool:
    """Return whether a search finds an archived vacancy all the same, which happens a few times a month."""
    return posting.fate == "archived" and posting.end <= day < posting.end + 0.04


def _wanted(posting: Posting, day: int) -> bool:
    """Return whether a detail is asked for: of two thirds when they are new, of half when they are gone."""
    number = int(posting.id)
    new = posting.listed(day) and (day == 0 or not posting.listed(day - 1))
    gone = posting.fate != "vanished" and posting.listed(day - 1) and not posting.listed(day)
    return (new and number % 3 != 0) or (gone and day > 0)


def _detail(posting: Posting, day: int, first: datetime) -> RawResponse:
    gone = day >= posting.end
    taken_at = first + day * DAY
    if gone and posting.fate == "deleted":
        missing = {"errors": [{"type": "not_found"}]}
        return _response("detail", f"vacancies/{posting.id}", missing, taken_at, status=404)
    created = _moment(first + posting.publications[0] * DAY)
    item = {name: value for name, value in _item(posting, day, first).items() if name != "snippet"}
    body = item | posting.detail | {"initial_created_at": created, "archived": gone}
    return _response("detail", f"vacancies/{posting.id}", body, taken_at)


def _dictionary(taken_at: datetime) -> RawResponse:
    currencies = [
        {"code": code, "abbr": code, "rate": rate, "default": code == "RUR", "in_use": True}
        for code, rate in _rates().items()
    ]
    return _response("dictionary", "dictionaries", {"currency": currencies}, taken_at)


def _rates() -> dict[str, float]:
    return {code: float(rate) for code, rate, _ in CURRENCIES if code != "XTS"}


def _response(kind: Kind, path: str, body: Item, taken_at: datetime, status: int = 200) -> RawResponse:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"' if status == 200 else None
    return RawResponse(kind, f"{HOST}/{path}", status, etag, taken_at, text)


def _moment(at: datetime) -> str:
    """Return a time as the API writes it: Moscow's, to the second, no colon in the offset."""
    return f"{at + slices.MOSCOW:%Y-%m-%dT%H:%M:%S}+0300"


def _salary(item: Item, name: str) -> Any:
    return (item["salary"] or {}).get(name)


def _text(item: Item) -> str:
    return item["snippet"]["responsibility"] or ""


def _published(item: Item) -> datetime:
    return datetime.strptime(item["published_at"], "%Y-%m-%dT%H:%M:%S%z").astimezone(UTC).replace(tzinfo=None)


def _dirt(items: Sequence[Item], taken_at: datetime) -> dict[str, int]:
    """Count listed items by what is wrong with them; `duplicates` is by how many they exceed the vacancies."""
    counts = Counter(dict.fromkeys(DIRT, 0))
    counts.update(name for item in items for name, wrong in DIRT.items() if wrong(item))
    counts["published_ahead"] = sum(_published(item) > taken_at for item in items)
    counts["duplicates"] = len(items) - len({item["id"] for item in items})
    return dict(counts)
