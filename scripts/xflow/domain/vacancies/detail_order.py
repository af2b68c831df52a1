"""Which vacancies' details are worth fetching first, from what the history knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

NEVER = datetime.min  # noqa: DTZ901  times are UTC without a zone


@dataclass(frozen=True, slots=True)
class KnownVacancy:
    """What the history knows of an open vacancy.

    Attributes
    ----------
    scope
        Scope of the snapshot that listed it last.
    last_seen
        When that was.
    checked_at
        When its detail was fetched last; None: never.
    published_at
        The publication that its detail showed; None when there is no detail that says.
    """

    scope: str
    last_seen: datetime
    checked_at: datetime | None
    published_at: datetime | None


def worth_a_detail(listed: Mapping[str, datetime | None], known: Mapping[str, KnownVacancy], scope: str) -> list[str]:
    """Return the vacancies whose details tell something new, the most telling first.

    Parameters
    ----------
    listed
        What a search lists now: id to its publication.
    known
        The open vacancies of the history.
    scope
        Scope of the search.

    Returns
    -------
    list of str
        First those that have vanished from the search, as their detail tells whether they are closed,
        those seen last first; then those without a detail; then those published again since theirs.
        Each group by publication, newest first. A vanished vacancy is named until its detail was
        fetched once.
    """
    vanished = {
        name: one.last_seen
        for name, one in known.items()
        if one.scope == scope and name not in listed and (one.checked_at is None or one.checked_at <= one.last_seen)
    }
    new: dict[str, datetime] = {}
    again: dict[str, datetime] = {}
    for name, published in listed.items():
        one = known.get(name)
        if one is None or one.checked_at is None:
            new[name] = published or NEVER
        elif published is not None and published > (one.published_at or one.checked_at):
            again[name] = published
    return [name for group in (vanished, new, again) for name in _newest_first(group)]


def _newest_first(times: Mapping[str, datetime]) -> list[str]:
    return sorted(sorted(times), key=times.__getitem__, reverse=True)
