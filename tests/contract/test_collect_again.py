"""Collecting again: after a kill, after an outage, and with the snapshot before at hand."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from collecting import KEY, NOW, TAKEN_AT, contents, ids, rows, run, spread

from hh_server import DOWN, HhServer, vacancy
from xflow.adapters.memory import MemoryStore
from xflow.adapters.s3 import S3Store
from xflow.errors import ServiceUnavailable
from xflow.refs import RunKey
from xflow.settings import Settings
from xflow.steps.snapshots import (
    list_snapshots,
    newest_snapshot,
    raw_prefix,
)


@pytest.fixture
def server() -> Iterator[HhServer]:
    with HhServer() as made:
        yield made


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def test_what_did_not_change_comes_from_the_snapshot_before(server: HhServer, store: MemoryStore) -> None:
    server.items = spread(300)
    server.details = {str(n): vacancy(n, NOW) for n in range(300)}
    first = run(server, store)
    server.items.append(vacancy(7000, NOW))
    asked = server.count()
    later = KEY.model_copy(update={"run_id": "scheduled__2"})
    second = run(server, store, later, "2026-11-20T13:00:00", previous=first)
    statuses = [status for _, _, status in server.requests[asked:]]
    assert statuses.count(304) == asked - 1
    assert statuses.count(200) == 1
    store.delete(first.prefix)  # the second snapshot stands alone
    assert ids(store, second) == {str(n) for n in [*range(300), 7000]}
    assert {row["status"] for row in rows(store, second)} == {200}
    assert newest_snapshot(store, raw_prefix("vacancies")).snapshot_id == "scheduled__2"  # type: ignore[union-attr]


@pytest.mark.parametrize("damage", ["deleted", "manifest", "parts"])
def test_a_snapshot_before_that_is_gone_or_damaged_costs_requests_only(
    server: HhServer, store: MemoryStore, damage: str
) -> None:
    server.items = spread(20)
    first = run(server, store)
    for uri in [uri for uri in store.objects if uri.startswith(first.prefix)]:
        if damage == "deleted":
            del store.objects[uri]
        elif uri.endswith(".json") == (damage == "manifest"):
            store.objects[uri] = b"{}"
    second = run(server, store, KEY.model_copy(update={"run_id": "2"}), previous=first)
    assert second.vacancies == 20


def test_a_finished_snapshot_is_returned_as_it_is(server: HhServer, store: MemoryStore) -> None:
    server.items = spread(5)
    first = run(server, store)
    asked, objects = server.count(), dict(store.objects)
    again = run(server, store)
    assert again.model_copy(update={"manifest": first.manifest}) == first
    assert (server.count(), store.objects) == (asked, objects)


def test_an_hour_without_the_api_ends_clearly_and_the_next_run_is_clean(server: HhServer, store: MemoryStore) -> None:
    server.items = spread(80)
    server.before = lambda number, path: setattr(server, "always", DOWN if number >= 3 else None)
    with pytest.raises(ServiceUnavailable, match="goes on where this one stopped"):
        run(server, store, patience=0.2)
    assert list_snapshots(store, raw_prefix("vacancies")) == []
    server.before, server.always = lambda number, path: None, None
    asked = server.count()
    other = run(server, store, KEY.model_copy(update={"run_id": "the next hour"}))
    assert (other.vacancies, other.complete) == (80, True)
    whole = server.count() - asked
    same = run(server, store)
    assert (same.vacancies, same.complete) == (80, True)
    assert server.count() - asked - whole == whole - 3  # what was there before the outage was kept


WORKER = """
import sys
from xflow.adapters.hh import HhApi
from xflow.adapters.rate_limit import LocalRateLimit
from xflow.adapters.s3 import S3Store
from xflow.refs import RunKey
from xflow.settings import Settings, read_env_file
from xflow.steps.collect import collect
from xflow.vacancy_pipeline import Collect
from pathlib import Path
url, pipeline, taken_at, env = sys.argv[1:]
s = Settings.from_env(read_env_file(Path(env)))
agent = "xflow/1.0 (you@your.domain)"
section = Collect(user_agent=agent, queries=[{}], window_days=3, details=120)
store = S3Store(s.s3_endpoint, s.s3_bucket, s.s3_access_key, s.s3_secret_key)
key = RunKey(pipeline=pipeline, kind="collect", run_id="killed")
api = HhApi(url, agent, LocalRateLimit(100_000))
collect(key, section, taken_at, "abc", store=store, api=api, previous=None, wanted=list)
"""


@pytest.mark.services
@pytest.mark.parametrize("after", [4, 80], ids=["in the search", "in the details"])
def test_a_killed_run_goes_on_where_it_stopped(
    server: HhServer, stores: Settings, stack_home: Any, key: RunKey, after: int
) -> None:
    server.items = spread(500)
    server.details = {str(n): vacancy(n, NOW, description="д" * 500) for n in range(500)}
    store = S3Store(stores.s3_endpoint, stores.s3_bucket, stores.s3_access_key, stores.s3_secret_key)
    arguments = [sys.executable, "-c", WORKER, server.url, key.pipeline, TAKEN_AT, str(stack_home / "env")]
    reached, dead = threading.Event(), threading.Event()

    def hold(number: int, path: str) -> None:
        if number == after:
            reached.set()
            dead.wait(60)

    server.before = hold
    worker = subprocess.Popen(arguments)
    assert reached.wait(60)
    worker.kill()
    worker.wait()
    server.before = lambda number, path: None
    dead.set()
    assert list_snapshots(store, raw_prefix(key.pipeline)) == []

    subprocess.run(arguments, check=True, timeout=300)
    resumed = server.count() - after - 1
    (ref,) = list_snapshots(store, raw_prefix(key.pipeline))
    undisturbed = run(server, store, key, details=120)
    whole = server.count() - after - 1 - resumed
    assert resumed < whole
    assert (ref.vacancies, ref.complete, ref.scope) == (500, True, undisturbed.scope)
    assert contents(store, ref) == contents(store, undisturbed)
