"""Snapshots as the tests of the vacancy history say them, and what plain Python knows from them."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg2
import pyarrow as pa
from hypothesis import strategies as st

from xflow.adapters.vacancy_history import GreenplumHistory
from xflow.domain.vacancies.flat import sightings
from xflow.refs import ObjectRef, SnapshotRef
from xflow.schema import RAW_SCHEMA
from xflow.settings import Settings

DAY = datetime(2026, 10, 1, 6)
RATES = {"RUR": 1.0, "USD": 0.0125}


def at(day: float) -> datetime:
    return DAY + timedelta(days=day)


def item(name: str, published: float = 0, /, **facts: Any) -> dict[str, Any]:
    made = {
        "id": name,
        "name": f"vacancy {name}",
        "published_at": (at(published) + timedelta(hours=3)).isoformat() + "+0300",
        "snippet": {"responsibility": f"to do {name}", "requirement": None},
        "area": {"id": "1", "name": "Москва"},
        "professional_roles": [{"id": "96", "name": "Программист"}],
    }
    return made | facts


class Snapshot:
    """A snapshot as a test says it: what it lists, which details it has (None: 404)."""

    def __init__(
        self,
        day: float,
        items: Sequence[dict[str, Any]],
        details: dict[str, dict[str, Any] | None] | None = None,
        *,
        complete: bool = True,
        scope: str = "a",
    ) -> None:
        self.day, self.items, self.details = day, list(items), details or {}
        self.complete, self.scope = complete, scope
        self.name = f"s{day}-{scope}"

    @property
    def ref(self) -> SnapshotRef:
        manifest = ObjectRef(uri=f"s3://b/raw/{self.name}/_manifest.json", etag="e", size=1)
        return SnapshotRef(
            prefix=f"s3://b/raw/{self.name}/",
            snapshot_id=self.name,
            taken_at=at(self.day).isoformat(),
            scope=self.scope,
            complete=self.complete,
            vacancies=len(self.items),
            source="hh.ru",
            manifest=manifest,
        )

    def rows(self) -> Iterator[pa.RecordBatch]:
        page = {"found": len(self.items), "pages": 1, "page": 0, "items": self.items}
        raw = [("search", "https://api.hh.ru/vacancies?page=0", 200, json.dumps(page))]
        for name, detail in self.details.items():
            body = None if detail is None else json.dumps({"id": name, **detail})
            raw.append(("detail", f"https://api.hh.ru/vacancies/{name}", 404 if detail is None else 200, body))
        for kind, url, status, body in raw:
            row = {"kind": kind, "url": url, "status": status, "etag": '"e"', "fetched_at": at(self.day), "body": body}
            yield sightings(pa.RecordBatch.from_pylist([row], schema=RAW_SCHEMA))


Make = Callable[..., GreenplumHistory]


def rows(history: GreenplumHistory, day: float = 99, since: float | None = None) -> dict[str, dict[str, Any]]:
    batches = history.rows(at(day), None if since is None else at(since))
    return {row["vacancy_id"]: row for batch in batches for row in batch.to_pylist()}


def closed(history: GreenplumHistory, day: float = 99) -> dict[str, float | None]:
    """Return the day on which each vacancy closed."""
    found = {name: row["closed_at"] for name, row in rows(history, day).items()}
    return {name: None if time is None else (time - DAY) / timedelta(days=1) for name, time in found.items()}


def stored(stores: Settings, history: GreenplumHistory) -> list[list[Any]]:
    found = []
    with psycopg2.connect(stores.greenplum_dsn) as connection, connection.cursor() as cursor:
        for table in ("snapshot", "sighting", "version", "detail"):
            cursor.execute(f"SELECT * FROM mart.{history._pipeline}_{table}")
            found.append(sorted(cursor.fetchall(), key=repr))
    connection.close()
    return found


LIFE = [
    Snapshot(0, [item("1"), item("2"), item("3")], {"1": {"description": "first", "archived": False}}),
    Snapshot(1, [item("1"), item("2", name="renamed"), item("4")]),
    Snapshot(2, [item("1"), item("2"), item("4")], {"3": None}),
    Snapshot(3, [item("1", 3), item("3", 3)], {"2": {"description": "second", "archived": True}}, complete=False),
    Snapshot(4, [item("3", 3), item("4")]),
    Snapshot(4, [item("1", 3), item("5")], scope="b"),
]


NAMES = ("1", "2", "3")


@st.composite
def lives(draw: st.DrawFn) -> list[Snapshot]:
    """Draw snapshots of three vacancies: listed with one of two contents, or not; details that say open or gone."""
    moments = st.lists(st.tuples(st.integers(0, 6), st.sampled_from("ab")), min_size=1, max_size=7, unique=True)
    found = []
    for day, scope in draw(moments):
        listed = draw(st.fixed_dictionaries({name: st.sampled_from([None, 0, 1]) for name in NAMES}))
        told = draw(st.dictionaries(st.sampled_from(NAMES), st.booleans(), max_size=1))
        details = {name: None if gone else {"archived": False, "description": "d"} for name, gone in told.items()}
        items = [item(name, content) for name, content in listed.items() if content is not None]
        found.append(Snapshot(day, items, details, complete=draw(st.booleans()), scope=scope))
    return found


def expected(snapshots: Sequence[Snapshot], day: float) -> dict[str, tuple[Any, ...]]:
    """Say in plain Python what is known on a day: first and last seen, publications, closed."""
    past = sorted((one for one in snapshots if one.day <= day), key=lambda one: (one.day, one.scope))
    found = {}
    for name in NAMES:
        seen = [one for one in past if name in {each["id"] for each in one.items}]
        if not seen:
            continue
        last = max(one.day for one in seen)
        scope = min(one.scope for one in seen if one.day == last)
        opened = [one.day for one in past if one.details.get(name) is not None]
        known = max([last, *opened])
        gone = [one.day for one in past if name in one.details and one.details[name] is None]
        archived = [at for at in gone if at >= last and at > max(opened, default=-1)]
        absent = [one.day for one in past if one.scope == scope and one.complete and one.day > known]
        closed = min([*archived, *absent]) if archived or len(absent) >= 2 else None
        published = {each["published_at"] for one in seen for each in one.items if each["id"] == name}
        found[name] = (min(one.day for one in seen), last, len(published), closed)
    return found
