"""The narrow ports of a collection: hh.ru's API, the limit of its rate, and the history of vacancies."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from xflow.refs import SnapshotRef

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """An answer of hh.ru's API.

    Attributes
    ----------
    status
        200; 304: not changed since the given ETag; 404: no such vacancy, or no longer.
    answered_at
        The server's clock, UTC without a zone; None when it did not say.
    body
        The JSON text; ``""`` of a 304.
    """

    status: int
    etag: str | None
    answered_at: datetime | None
    body: str


class VacancyApi(Protocol):
    """hh.ru's API for vacancies."""

    def url(self, path: str, params: Sequence[tuple[str, str]] = ()) -> str:
        """Return the URL of a request: the same parameters give the same URL."""

    def get(self, url: str, etag: str | None = None) -> ApiResponse:
        """Request a URL, at the shared rate, with patience for faults that pass.

        Raises `ServiceUnavailable` when the patience is used up, and a `Permanent` error when the
        API wants something else of the caller.
        """


class RateLimit(Protocol):
    """Slots for requests, shared by all workers."""

    def wait(self) -> None:
        """Take the next free slot, and sleep until it is due."""

    def hold(self, seconds: float) -> None:
        """Let nobody take a slot for so long."""


Wanted = Callable[[Mapping[str, datetime | None]], Sequence[str]]
"""Given the vacancies listed, with when they were last published (UTC without a zone), the ids whose details are
wanted, most wanted first; ids of vacancies that are no longer listed may be among them."""


class VacancyHistory(Protocol):
    """What is known of every vacancy of one pipeline over time, in Greenplum.

    All of it is a function of the set of ingested snapshots: their order, and ingesting one again, do not matter.
    """

    def prepare(self) -> None:
        """Create tables and views that are absent."""

    def known(self) -> "AbstractSet[str]":
        """Return the ids of the ingested snapshots."""

    def sources(self) -> "AbstractSet[str]":
        """Return where the ingested snapshots come from: ``hh.ru``, or ``generated``."""

    def ingest(self, snapshot: SnapshotRef, rates: Mapping[str, float], rows: "Iterable[pa.RecordBatch]") -> bool:
        """Merge one snapshot in one transaction; return False, and read no rows, when it was known already.

        `rates` are units for one rouble by currency, `rows` batches of `domain.vacancies.flat.SIGHTING_SCHEMA`.
        """

    def rows(self, as_of: datetime, since: datetime | None = None) -> "Iterator[pa.RecordBatch]":
        """Stream every vacancy as it was known at `as_of`, by id, from snapshots up to then alone.

        Batches of `domain.vacancies.flat.DELIVERY_SCHEMA`; `changed` compares with `since` (None: with nothing).
        A vacancy is closed from the snapshot that showed it archived or deleted, or from the first of enough
        complete snapshots of the scope that listed it last which list it no more. `snapshot_at` is the last moment
        at which something was known of it: an open vacancy's age is censored there.
        """

    def wanted(self, scope: str, listed: "Mapping[str, datetime | None]") -> list[str]:
        """Return the vacancies whose details tell something new, the most telling first.

        `listed` is what a search of a scope lists now, with each vacancy's publication.
        """

    def listings(self, scope: str, as_of: datetime) -> "Iterator[pa.RecordBatch]":
        """Stream what the last complete snapshot of every whole day before `as_of` lists, by day.

        Batches of `domain.vacancies.market.LISTING_SCHEMA`; days that the market has from it are left out.
        """

    def load_market(self, market: "pa.Table") -> None:
        """Replace the days that a market holds; see `domain.vacancies.market.MARKET_SCHEMA`."""

    def market(self, scope: str, before: datetime) -> "pa.Table":
        """Return the market of a scope before a day, by day, role and area."""
