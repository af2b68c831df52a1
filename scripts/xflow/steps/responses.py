"""Responses for a snapshot: asked of the API, or taken from an earlier snapshot where nothing changed."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from xflow.domain.vacancies import raw
from xflow.domain.vacancies.raw import RawResponse
from xflow.errors import ConfigInvalid, InputChanged, InputMissing, InputUnreadable, ServiceUnavailable
from xflow.ports import ObjectStore
from xflow.refs import ObjectRef, SnapshotRef
from xflow.steps.snapshots import parts_by_name, read_manifest, read_part
from xflow.vacancy_ports import ApiResponse, VacancyApi

log = logging.getLogger("xflow.collect")


class ResponseSource:
    """Asks the API, and takes from an earlier snapshot what did not change since.

    Parameters
    ----------
    previous
        The earlier snapshot.
    now
        Stands for the time of answers that do not tell it; UTC without a zone.
    """

    def __init__(self, api: VacancyApi, store: ObjectStore, previous: SnapshotRef | None, now: datetime) -> None:
        self._api, self._store, self._now = api, store, now
        self._parts: dict[str, ObjectRef] = {}
        with _dispensable():
            self._parts = parts_by_name(read_manifest(store, previous)) if previous else {}
        self.requests = self.not_modified = 0

    def earlier(self, *names: str) -> dict[str, RawResponse]:
        """Return the previous snapshot's responses of some parts, by URL."""
        found: dict[str, RawResponse] = {}
        for name in names:
            with _dispensable():
                rows = read_part(self._store, self._parts[name]) if name in self._parts else []
                found |= {row.url: row for row in rows}
        return found

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


def read_response[T](reader: Callable[[str | None], T], row: RawResponse) -> T:
    """Return what a reader makes of a response's body.

    Raises
    ------
    ServiceUnavailable
        The reader refuses it: the API answers with something else than it should.
    """
    try:
        return reader(row.body)
    except ValueError as error:
        raise ServiceUnavailable(f"{row.url}: {error}. The API answers with something else than it should.") from error


@contextmanager
def _dispensable() -> Iterator[None]:
    """Do without an earlier snapshot that was deleted or damaged: its pages are sent again."""
    try:
        yield
    except (InputMissing, InputChanged, InputUnreadable) as error:
        log.warning("the previous snapshot's pages are fetched again: %s", error)
