"""Responses of hh.ru's API as they are kept: whole, but without the contacts of recruiters."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from xflow.domain.vacancies.salary_item import told_mode

Kind = Literal["search", "detail", "dictionary"]
PERSONAL = "contacts"


@dataclass(frozen=True, slots=True)
class RawResponse:
    """One response: a row of `xflow.schema.RAW_SCHEMA`.

    Attributes
    ----------
    url
        The whole URL of the request.
    status
        200, or 404 for the detail of a vacancy that is gone. A page that had not changed is kept as
        200 with the body it had.
    fetched_at
        Time of the answer in UTC, without a zone.
    body
        The JSON text.
    """

    kind: Kind
    url: str
    status: int
    etag: str | None
    fetched_at: datetime
    body: str | None


@dataclass(frozen=True, slots=True)
class SearchPage:
    """A page of a search, counted from 0: how many vacancies and pages the search has, and the page's items."""

    found: int
    pages: int
    page: int
    items: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Listed:
    """What the pages of one search list together.

    Attributes
    ----------
    published
        When each vacancy was last published, by id; None where no page says.
    items
        Items in the pages; one that moved to a later page meanwhile counts twice.
    found
        Items that the search has by its own account, the largest number where its pages differ.
    whole
        Nothing that was there all the time can have been missed.
    modes
        By id, what is paid for where a salary is not by the month; ``""`` where its `salary_range` does not say.
    """

    published: dict[str, datetime | None]
    modes: dict[str, str]
    items: int
    found: int
    whole: bool


def without_contacts(body: str) -> str:
    """Return a JSON text without anybody's contacts, at any depth.

    A text that holds none comes back as it is, byte for byte; ``"contacts": null`` tells of nobody
    and stays.

    Raises
    ------
    ValueError
        The text is not JSON.
    """
    document = parsed(body)
    if not _drop_contacts(document):
        return body
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def search_page(body: str | None) -> SearchPage:
    """Read a search's envelope.

    Raises
    ------
    ValueError
        The text is not JSON, or not a page of a search.
    """
    page = parsed(body or "")
    items = page.get("items") if isinstance(page, dict) else None
    if not isinstance(items, list) or not all(isinstance(page.get(name), int) for name in ("found", "pages", "page")):
        raise ValueError("not a page of a search: it lacks items, found, pages or page")
    given = [item for item in items if isinstance(item, dict)]
    return SearchPage(page["found"], page["pages"], page["page"], given)


def search_items(body: str | None) -> Iterator[dict[str, Any]]:
    """Yield the items of a search's page that have an id; raise as `search_page` does."""
    for item in search_page(body).items:
        if vacancy_id(item):
            yield item


def listed(bodies: Sequence[str | None]) -> Listed:
    """Return what the pages of one search list together; raise as `search_page` does.

    Parameters
    ----------
    bodies
        The pages in the order in which they were read, newest vacancies first. The search may have been
        read more than once, each time from page 0 on: one time without a loss is enough.
    """
    pages = [search_page(body) for body in bodies]
    items = [item for page in pages for item in page.items if vacancy_id(item)]
    starts = [at for at, page in enumerate(pages) if page.page == 0]
    passes = [pages[start:end] for start, end in zip(starts, [*starts[1:], len(pages)], strict=True)]
    return Listed(
        published=_published(items),
        modes={vacancy_id(item): mode for item in items if (mode := told_mode(item)) is not None},
        items=len(items),
        found=max(page.found for page in pages),
        whole=any(_is_whole(one) for one in passes),
    )


def _published(items: Sequence[dict[str, Any]]) -> dict[str, datetime | None]:
    published: dict[str, datetime | None] = {}
    for item in items:
        merge_published(published, {vacancy_id(item): published_at(item)})
    return published


def _is_whole(pages: Sequence[SearchPage]) -> bool:
    """Tell whether pages read one after another have all that was there all the time.

    A vacancy that comes goes to the top and moves others to later pages: they are read twice. One that
    goes moves others to pages that were read already, unless another came in its place.
    """
    counts = [page.found for page in pages]
    distinct = {vacancy_id(item) for page in pages for item in page.items} - {""}
    return all(one <= two for one, two in pairwise(counts)) and (len(pages) == 1 or len(distinct) >= counts[0])


def merge_published(into: dict[str, datetime | None], new: Mapping[str, datetime | None]) -> None:
    """Add vacancies to others in place; of two times of publication the later one stays."""
    for vacancy, moment in new.items():
        times = [time for time in (into.get(vacancy), moment) if time is not None]
        into[vacancy] = max(times, default=None)


def vacancy_id(item: dict[str, Any]) -> str:
    """Return the id of an item or a detail, ``""`` when it has none."""
    found = item.get("id")
    return str(found) if isinstance(found, str | int) else ""


def detail_id(url: str) -> str:
    """Return the id of the vacancy that a detail's URL asks for; the body of a missing one has none."""
    return unquote(urlsplit(url).path.rpartition("/")[2])


def published_at(item: dict[str, Any]) -> datetime | None:
    """Return when an item was last published, UTC without a zone; None when it does not say."""
    return utc(item.get("published_at"))


def utc(text: object) -> datetime | None:
    """Return an ISO 8601 time with an offset as UTC without a zone; None for anything else."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
        return found.astimezone(UTC).replace(tzinfo=None) if found and found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def currency_rates(body: str | None) -> dict[str, float]:
    """Return units for one rouble by code of currency, from the API's dictionaries.

    Currencies without a positive rate are left out.

    Raises
    ------
    ValueError
        The text is not JSON, or holds no currencies.
    """
    document = parsed(body or "")
    currencies = document.get("currency") if isinstance(document, dict) else None
    entries = [entry for entry in currencies if isinstance(entry, dict)] if isinstance(currencies, list) else []
    rates = {entry["code"]: float(entry["rate"]) for entry in entries if _has_rate(entry)}
    if not rates:
        raise ValueError("no currencies with a rate in the dictionaries")
    return rates


def parsed(body: str) -> Any:
    """Return a JSON text's value.

    Raises
    ------
    ValueError
        The text is not JSON, or nested too deep to be the API's.
    """
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("JSON nested too deep") from None


def _has_rate(currency: dict[str, Any]) -> bool:
    rate = currency.get("rate")
    return isinstance(currency.get("code"), str) and isinstance(rate, int | float) and 0 < rate < float("inf")


def _drop_contacts(document: Any) -> bool:
    """Drop contacts from a parsed document in place; return whether there were any."""
    dropped = False
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if value.get(PERSONAL) is not None:
                del value[PERSONAL]
                dropped = True
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return dropped
