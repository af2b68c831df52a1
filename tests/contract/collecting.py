"""What the tests of collecting share: a run against a server, and what it left in the store."""

from datetime import datetime, timedelta
from typing import Any

from hh_server import HhServer, vacancy
from xflow.adapters.hh import HhApi
from xflow.adapters.rate_limit import LocalRateLimit
from xflow.domain.vacancies import raw
from xflow.ports import ObjectStore
from xflow.refs import RunKey, SnapshotRef
from xflow.steps.collect import collect
from xflow.steps.snapshots import read_manifest, read_snapshot
from xflow.vacancy_pipeline import Collect

TAKEN_AT = "2026-11-20T12:00:00"
NOW = datetime.fromisoformat(TAKEN_AT)
AGENT = "xflow/1.0 (you@your.domain)"
CONTACTS = {"name": "Recruiter", "email": "a@b.ru", "phones": [{"number": "5550100"}]}
KEY = RunKey(pipeline="vacancies", kind="collect", run_id="scheduled__1")


def spread(count: int, days: float = 3.0, first: int = 0) -> list[dict]:
    return [vacancy(first + n, NOW - timedelta(days=days * n / count)) for n in range(count)]


def run(
    server: HhServer, store: ObjectStore, key: RunKey = KEY, taken_at: str = TAKEN_AT, **options: Any
) -> SnapshotRef:
    api = HhApi(server.url, AGENT, LocalRateLimit(100_000), patience=options.pop("patience", 5.0), pause=0.01)
    previous, wanted = options.pop("previous", None), options.pop("wanted", list)
    progress = options.pop("progress", None)
    section = {"user_agent": AGENT, "queries": [{}], "window_days": 3, "details": 10} | options
    checked = Collect.model_validate(section)
    return collect(
        key,
        checked,
        taken_at,
        "abc",
        store=store,
        api=api,
        previous=previous,
        wanted=wanted,
        progress=progress,
    )


def rows(store: ObjectStore, ref: SnapshotRef, kind: str = "") -> list[dict]:
    return [row for batch in read_snapshot(store, ref) for row in batch.to_pylist() if row["kind"].startswith(kind)]


def contents(store: ObjectStore, ref: SnapshotRef) -> tuple[list[str], list[dict]]:
    """Names of the parts, and the responses without their times."""
    names = [part.uri.removeprefix(ref.prefix) for part in read_manifest(store, ref).parts]
    return names, [row | {"fetched_at": None} for row in rows(store, ref)]


def ids(store: ObjectStore, ref: SnapshotRef) -> set[str]:
    return {item["id"] for row in rows(store, ref, "search") for item in raw.search_items(row["body"])}
