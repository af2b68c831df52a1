"""Collect vacancies: every slice of the search, the details within the budget, and the manifest."""

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from xflow.domain.vacancies import raw
from xflow.domain.vacancies.raw import Listed, RawResponse
from xflow.domain.vacancies.slices import DEPTH, PER_PAGE, Slice, divide, first_slices, scope
from xflow.ports import ObjectStore
from xflow.refs import RunKey, SnapshotRef
from xflow.steps.responses import ResponseSource, read_response
from xflow.steps.snapshots import SnapshotFacts, SnapshotWriter
from xflow.vacancy_pipeline import Collect
from xflow.vacancy_ports import VacancyApi, Wanted

log = logging.getLogger("xflow.collect")

DETAILS_A_PART = 50  # what a kill can cost
PASSES = 3  # over a slice from which vacancies are taken down while it is read
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
    source = ResponseSource(api, store, previous, datetime.fromisoformat(taken_at))
    rates = _dictionary(writer, source)
    listing = _search(section, datetime.fromisoformat(taken_at), writer, source, progress)
    figures = _details(section.details, listing, wanted, writer, source, progress)
    log.info("%s: %d requests, %d of them not modified; %s", key, source.requests, source.not_modified, listing)
    if listing.by_mode:
        told = "%s: salaries that do not say MONTH: %s. Those without a mode count as monthly, the others give no label"
        log.warning(told, key, listing.by_mode)
    facts = SnapshotFacts(
        source=SOURCE,
        scope=scope(section.queries, section.window_days),
        complete=listing.whole and bool(listing.published),
        vacancies=len(listing.published),
        queries=tuple(query.model_dump(mode="json") for query in section.queries),
        found=listing.found,
        collected=listing.collected,
        rates=rates,
        figures={"slices": listing.slices, "duplicates": listing.duplicates, **figures, **listing.by_mode},
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
    modes: dict[str, str] = field(default_factory=dict, repr=False)
    slices: int = 0
    found: int = 0
    collected: int = 0
    whole: bool = True

    @property
    def duplicates(self) -> int:
        """Items that came more than once: on borders of slices, and moved to a later page meanwhile."""
        return max(self.collected - len(self.published), 0)

    @property
    def by_mode(self) -> dict[str, int]:
        """Vacancies by what is paid for, where that is not the month: ``salary_mode_HOUR``, ``salary_mode_missing``."""
        return {
            f"salary_mode_{mode or 'missing'}": count for mode, count in sorted(Counter(self.modes.values()).items())
        }

    def add(self, part: Listed, *, divided: bool) -> None:
        """Count in one slice; what the first page of a divided one lists is listed again below it."""
        raw.merge_published(self.published, part.published)
        self.modes |= part.modes
        if not divided:
            self.slices += 1
            self.found += part.found
            self.collected += part.items
            self.whole &= part.whole and part.found <= DEPTH


def _dictionary(writer: SnapshotWriter, source: ResponseSource) -> dict[str, float]:
    """Keep the API's dictionaries; return the rates of currencies."""
    rows = writer.kept("dictionary")
    if rows is None:
        rows = [source.fetch("dictionary", "/dictionaries", (), source.earlier("dictionary"))]
        rates = read_response(raw.currency_rates, rows[0])
        writer.write("dictionary", rows)
        return rates
    return read_response(raw.currency_rates, rows[0])


def _search(
    section: Collect, now: datetime, writer: SnapshotWriter, source: ResponseSource, progress: Progress | None
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
        found = _listed(pages)
        smaller = divide(part) if found.found > DEPTH else ()
        waiting.extend(reversed(smaller))
        listing.add(found, divided=bool(smaller))
        done += 1
        if progress:
            progress(done, done + len(waiting))
    return listing


def _pages(part: Slice, source: ResponseSource, earlier: Mapping[str, RawResponse]) -> list[RawResponse]:
    """Return a slice's pages, read again when some may have been missed; of one to divide, those that say so."""
    pages: list[RawResponse] = []
    for _ in range(PASSES):
        pages += _pass(part, source, earlier, last=not divide(part))
        found = _listed(pages)
        if found.whole or found.found > DEPTH:
            break
    return pages


def _pass(part: Slice, source: ResponseSource, earlier: Mapping[str, RawResponse], *, last: bool) -> list[RawResponse]:
    pages: list[RawResponse] = []
    for number in range(DEPTH // PER_PAGE):
        pages.append(source.fetch("search", "/vacancies", part.params(number), earlier))
        page = read_response(raw.search_page, pages[-1])
        if number + 1 >= page.pages or (page.found > DEPTH and not last):
            break
    return pages


def _listed(pages: Sequence[RawResponse]) -> Listed:
    return raw.listed([page.body for page in pages])


def _details(
    budget: int,
    listing: _Listing,
    wanted: Wanted,
    writer: SnapshotWriter,
    source: ResponseSource,
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
