"""Collect vacancies: every slice of the search, the details within the budget, and the manifest."""

import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from xflow.domain.vacancies import raw
from xflow.domain.vacancies.raw import RawResponse
from xflow.domain.vacancies.slices import DEPTH, PER_PAGE, Slice, divide, first_slices, scope
from xflow.errors import ConfigInvalid, ServiceUnavailable
from xflow.ports import ApiResponse, ObjectStore, VacancyApi, Wanted
from xflow.refs import RunKey, SnapshotRef
from xflow.steps.snapshots import SnapshotFacts, SnapshotWriter, parts_by_name, read_manifest, read_part
from xflow.vacancy_pipeline import Collect

log = logging.getLogger("xflow.collect")

DETAILS_A_PART = 50  # what a kill can cost
SOURCE = "hh.ru"
Progress = Callable[[int, int], None]


def collect(
    key: RunKey,
    section: Collect,
    taken_at: str,
    git_commit: str,
    *,
    store: ObjectStore,
    api: VacancyApi,
    previous: SnapshotRef | None,
    wanted: Wanted,
    progress: Progress | None = None,
) -> SnapshotRef:
    """Write a snapshot of what the API lists; a repeated run goes on where the last one stopped.

    Parameters
    ----------
    section
        The `collect` section of the pipeline's file.
    taken_at
        ISO timestamp in UTC without a zone: when the run began, the same when it is repeated.
    previous
        An earlier snapshot whose pages need not be sent again where they did not change.
    wanted
        Says whose details to fetch; the first `section.details` are.
    progress
        Called with the requests' units done and the units known of.

    Returns
    -------
    SnapshotRef
        The snapshot; when the run had finished it before, that one.

    Raises
    ------
    ServiceUnavailable
        The API's faults outlasted the patience. What was fetched stays for the next attempt.
    """
    writer = SnapshotWriter(store, key.pipeline, key.slug, taken_at)
    done = writer.finished()
    if done is not None:
        return done
    source = _Source(api, store, previous, datetime.fromisoformat(taken_at))
    rates = _dictionary(writer, source)
    listing = _search(section, datetime.fromisoformat(taken_at), writer, source, progress)
    figures = _details(section.details, listing, wanted, writer, source, progress)
    log.info("%s: %d requests, %d of them not modified; %s", key, source.requests, source.not_modified, listing)
    facts = SnapshotFacts(
        source=SOURCE,
        scope=scope(section.queries, section.window_days),
        complete=listing.whole and bool(listing.published),
        vacancies=len(listing.published),
        queries=tuple(query.model_dump(mode="json") for query in section.queries),
        found=listing.found,
        collected=listing.collected,
        rates=rates,
        figures={"slices": listing.slices, "duplicates": listing.collected - len(listing.published), **figures},
        run_key=str(key),
        git_commit=git_commit,
    )
    return writer.finish(facts)


@dataclass
class _Listing:
    """What the search has found so far; `published` has every vacancy's latest publication.

    `found` and `collected` count the items of slices that were not divided further; `whole` is
    False once such a slice has more than was listed.
    """

    published: dict[str, datetime | None] = field(default_factory=dict, repr=False)
    slices: int = 0
    found: int = 0
    collected: int = 0
    whole: bool = True

    def add(self, pages: Sequence[RawResponse], *, divided: bool) -> None:
        """Count in the pages of one slice."""
        ids = set()
        for page in pages:
            for item in raw.search_items(page.body):
                vacancy, published = raw.vacancy_id(item), raw.published_at(item)
                ids.add(vacancy)
                known = self.published.setdefault(vacancy, published)
                self.published[vacancy] = max(filter(None, (known, published)), default=None)
                self.collected += not divided
        if not divided:
            found = _found(pages)
            self.slices += 1
            self.found += found
            self.whole &= found <= DEPTH and not _is_short(pages, ids)


class _Source:
    """Asks the API, and takes from the previous snapshot what did not change since."""

    def __init__(self, api: VacancyApi, store: ObjectStore, previous: SnapshotRef | None, now: datetime) -> None:
        self._api, self._store, self._now = api, store, now
        self._parts = parts_by_name(read_manifest(store, previous)) if previous else {}
        self.requests = self.not_modified = 0

    def earlier(self, *names: str) -> dict[str, RawResponse]:
        """Return the previous snapshot's responses of some parts, by URL."""
        found = [self._parts[name] for name in names if name in self._parts]
        return {row.url: row for part in found for row in read_part(self._store, part)}

    def earlier_details(self) -> dict[str, RawResponse]:
        """Return the previous snapshot's details, by URL."""
        return self.earlier(*(name for name in self._parts if name.startswith("detail-")))

    def fetch(
        self, kind: raw.Kind, path: str, params: Sequence[tuple[str, str]], earlier: Mapping[str, RawResponse]
    ) -> RawResponse:
        """Return one response without contacts; one that did not change has its earlier body."""
        url = self._api.url(path, params)
        before = earlier.get(url)
        etag = before.etag if before and before.status == 200 else None
        answer = self._api.get(url, etag)
        self.requests += 1
        if answer.status == 304 and before:
            self.not_modified += 1
            return RawResponse(kind, url, 200, etag, answer.answered_at or self._now, before.body)
        return self._received(kind, url, answer)

    def _received(self, kind: raw.Kind, url: str, answer: ApiResponse) -> RawResponse:
        if answer.status != 200 and kind != "detail":
            raise ConfigInvalid(f"{url}: status {answer.status}: there is no such method. Correct collect.url.")
        body = raw.without_contacts(answer.body)
        return RawResponse(kind, url, answer.status, answer.etag, answer.answered_at or self._now, body)


def _dictionary(writer: SnapshotWriter, source: _Source) -> dict[str, float]:
    """Keep the API's dictionaries; return the rates of currencies."""
    rows = writer.kept("dictionary")
    if rows is None:
        rows = [source.fetch("dictionary", "/dictionaries", (), source.earlier("dictionary"))]
        rates = _read(raw.currency_rates, rows[0])
        writer.write("dictionary", rows)
        return rates
    return _read(raw.currency_rates, rows[0])


def _search(
    section: Collect, now: datetime, writer: SnapshotWriter, source: _Source, progress: Progress | None
) -> _Listing:
    """Fetch every slice, and divide those that hold more than the API lists."""
    listing, done = _Listing(), 0
    waiting = first_slices(section.queries, now, section.window_days)[::-1]
    while waiting:
        part = waiting.pop()
        name = f"search-{part.name}"
        pages = writer.kept(name)
        if pages is None:
            pages = _pages(part, source, source.earlier(name))
            writer.write(name, pages)
        smaller = divide(part) if _found(pages) > DEPTH else ()
        waiting.extend(reversed(smaller))
        listing.add(pages, divided=bool(smaller))
        done += 1
        if progress:
            progress(done, done + len(waiting))
    return listing


def _pages(part: Slice, source: _Source, earlier: Mapping[str, RawResponse]) -> list[RawResponse]:
    """Return a slice's pages; of one that will be divided, those up to the one that says so."""
    last = not divide(part)
    pages = _pass(part, source, earlier, last=last)
    if (last or _found(pages) <= DEPTH) and _is_short(pages, _ids(pages)):
        # What was taken down meanwhile moved later items to pages that we had already seen.
        pages += _pass(part, source, earlier, last=last)
    return pages


def _pass(part: Slice, source: _Source, earlier: Mapping[str, RawResponse], *, last: bool) -> list[RawResponse]:
    pages: list[RawResponse] = []
    for number in range(DEPTH // PER_PAGE):
        pages.append(source.fetch("search", "/vacancies", part.params(number), earlier))
        page = _read(raw.search_page, pages[-1])
        if number + 1 >= page.pages or (page.found > DEPTH and not last):
            break
    return pages


def _details(
    budget: int,
    listing: _Listing,
    wanted: Wanted,
    writer: SnapshotWriter,
    source: _Source,
    progress: Progress | None,
) -> dict[str, int]:
    """Fetch the details of the most wanted; return how many, and how many are no longer there."""
    kept = itertools.takewhile(bool, (writer.kept(_detail_part(number)) for number in itertools.count()))
    parts = [rows for rows in kept if rows]
    statuses = [row.status for rows in parts for row in rows]
    there = {raw.detail_id(row.url) for rows in parts for row in rows}
    chosen = [vacancy for vacancy in dict.fromkeys(wanted(listing.published)) if vacancy not in there]
    chosen = chosen[: max(budget - len(there), 0)]
    earlier = source.earlier_details() if chosen else {}
    for number, at in enumerate(range(0, len(chosen), DETAILS_A_PART), len(parts)):
        ids = chosen[at : at + DETAILS_A_PART]
        rows = [source.fetch("detail", f"/vacancies/{quote(vacancy, safe='')}", (), earlier) for vacancy in ids]
        writer.write(_detail_part(number), rows)
        statuses += [row.status for row in rows]
        if progress:
            progress(len(statuses), len(there) + len(chosen))
    return {"details": len(statuses), "details_missing": statuses.count(404)}


def _detail_part(number: int) -> str:
    return f"detail-{number:04}"


def _read[T](reader: Callable[[str | None], T], row: RawResponse) -> T:
    try:
        return reader(row.body)
    except ValueError as error:
        raise ServiceUnavailable(f"{row.url}: {error}. The API answers with something else than it should.") from error


def _found(pages: Sequence[RawResponse]) -> int:
    """Return how many items a slice has by its own account, the largest where its pages differ."""
    return max(raw.search_page(page.body).found for page in pages)


def _ids(pages: Sequence[RawResponse]) -> set[str]:
    return {raw.vacancy_id(item) for page in pages for item in raw.search_items(page.body)}


def _is_short(pages: Sequence[RawResponse], ids: set[str]) -> bool:
    """Tell whether several pages together lack items that the last of them counts."""
    return len(pages) > 1 and len(ids) < raw.search_page(pages[-1].body).found
