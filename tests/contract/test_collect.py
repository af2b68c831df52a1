"""Collecting from a server with the API's rules and faults, into snapshots."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import pytest
from collecting import CONTACTS, KEY, NOW, TAKEN_AT, ids, rows, run, spread

from hh_server import DATA, NOT_JSON, Fault, HhServer, replayed, vacancy
from xflow.adapters.memory import MemoryStore
from xflow.domain.vacancies import raw
from xflow.errors import ConfigInvalid, ServiceUnavailable
from xflow.steps.snapshots import (
    list_snapshots,
    raw_prefix,
    read_manifest,
)


@pytest.fixture
def server() -> Iterator[HhServer]:
    with HhServer() as made:
        yield made


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def test_everything_in_the_window_is_kept(server: HhServer, store: MemoryStore) -> None:
    server.items = [*spread(150), vacancy(900, NOW - timedelta(days=9))]
    server.details = {str(n): vacancy(n, NOW, description="<p>Долг</p>") for n in range(150)}
    ref = run(server, store, wanted=lambda listed: ["3", "404", "5"])
    assert ids(store, ref) == {str(n) for n in range(150)}
    assert (ref.vacancies, ref.complete, ref.source, ref.taken_at) == (150, True, "hh.ru", TAKEN_AT)
    assert ref.prefix == "s3://memory/raw/vacancies/dt=2026-11-20/scheduled__1/"
    assert [(row["status"], raw.detail_id(row["url"])) for row in rows(store, ref, "detail")] == [
        (200, "3"),
        (404, "404"),
        (200, "5"),
    ]
    manifest = read_manifest(store, ref)
    assert manifest.rates == {"RUR": 1.0, "USD": 0.0125}
    assert manifest.figures == {"slices": 4, "duplicates": 0, "details": 3, "details_missing": 1}
    assert (manifest.run_key, manifest.git_commit, manifest.found) == (str(KEY), "abc", 150)
    assert sum(part.rows for part in manifest.parts) == len(rows(store, ref)) == server.count()
    assert {row["etag"] is None for row in rows(store, ref, "search")} == {False}
    assert list_snapshots(store, raw_prefix("vacancies")) == [
        ref.model_copy(update={"manifest": store.manifests(ref.prefix)[0]})
    ]


def test_nobodys_contacts_get_in(server: HhServer, store: MemoryStore) -> None:
    server.items = [vacancy(1, NOW, contacts=CONTACTS), vacancy(2, NOW, address={"contacts": CONTACTS})]
    server.details = {"1": vacancy(1, NOW, contacts=CONTACTS), "2": vacancy(2, NOW)}
    ref = run(server, store)
    assert not any(text in row["body"] for row in rows(store, ref) for text in ("Recruiter", "5550100", "a@b.ru"))
    (detail,) = (row for row in rows(store, ref, "detail") if row["url"].endswith("/2"))
    assert detail["body"] == json.dumps(server.details["2"], ensure_ascii=False)  # as it was sent


@pytest.mark.parametrize("seed", [0, 1])
def test_more_than_the_api_lists_is_found_all_the_same(server: HhServer, store: MemoryStore, seed: int) -> None:
    hour = NOW - timedelta(hours=5 + seed)
    server.items = [vacancy(n, hour + timedelta(seconds=n % 3600)) for n in range(4500)] + spread(100, first=10_000)
    ref = run(server, store, details=0)
    assert (ref.vacancies, ref.complete) == (4600, True)
    assert ids(store, ref) == {item["id"] for item in server.items}


def test_five_minutes_with_too_many_are_divided_by_area(server: HhServer, store: MemoryStore) -> None:
    server.items = [vacancy(n, NOW - timedelta(minutes=7), area=str(1 + n % 2)) for n in range(2400)]
    ref = run(server, store, details=0, queries=[{"area": ["1", "2"]}])
    assert (ref.vacancies, ref.complete) == (2400, True)


def test_five_minutes_that_cannot_be_divided_are_collected_as_far_as_they_are_listed(
    server: HhServer, store: MemoryStore
) -> None:
    server.items = [vacancy(n, NOW - timedelta(minutes=7)) for n in range(2400)]
    ref = run(server, store, details=0)
    assert (ref.vacancies, ref.complete) == (2000, False)


def test_vacancies_published_while_pages_are_read_are_counted_once(server: HhServer, store: MemoryStore) -> None:
    server.items = spread(450, days=0.2)
    fresh = iter(range(1000, 1100))

    def publish(number: int, path: str) -> None:
        if path == "/vacancies":
            server.items.append(vacancy(next(fresh), NOW - timedelta(seconds=1)))

    server.before = publish
    ref = run(server, store, details=0)
    assert ids(store, ref) >= {str(n) for n in range(450)}
    assert ref.complete
    assert read_manifest(store, ref).figures["duplicates"] > 0
    assert ref.vacancies == len(ids(store, ref))


def test_vacancies_taken_down_while_pages_are_read_hide_no_others(server: HhServer, store: MemoryStore) -> None:
    server.items = spread(450, days=0.2)

    def take_down(number: int, path: str) -> None:
        read = [params for asked, params, _ in server.requests if asked == "/vacancies" and params["page"] == ["1"]]
        if len(read) == 1 and len(server.items) == 450:
            del server.items[:50]  # the newest: what follows moves to pages that were read

    server.before = take_down
    ref = run(server, store, details=0)
    assert len(server.items) == 400
    assert ids(store, ref) >= {item["id"] for item in server.items}
    assert ref.complete


def test_a_vacancy_published_again_meanwhile_is_not_missed(server: HhServer, store: MemoryStore) -> None:
    server.items = spread(30)

    def publish_again(number: int, path: str) -> None:
        if number == 1:  # before the first slice, the oldest
            server.items[-1] = vacancy(29, NOW - timedelta(seconds=5))

    server.before = publish_again
    listed: dict[str, datetime | None] = {}

    def wanted(found: Mapping[str, datetime | None]) -> Sequence[str]:
        listed.update(found)
        return []

    ref = run(server, store, wanted=wanted)
    assert ref.vacancies == 30
    assert listed["29"] == NOW - timedelta(seconds=5)


def test_a_clock_that_is_ahead_hides_nothing(server: HhServer, store: MemoryStore) -> None:
    late = "2026-11-20T20:59:30"  # half a minute before midnight in Moscow
    server.items = [vacancy(1, datetime.fromisoformat(late) + timedelta(minutes=20))]
    assert run(server, store, taken_at=late).vacancies == 1


def test_the_budget_for_details_is_kept_and_the_most_wanted_come_first(server: HhServer, store: MemoryStore) -> None:
    server.items = spread(8)
    server.details = {str(n): vacancy(n, NOW) for n in range(8)}
    ref = run(server, store, details=3, wanted=lambda listed: ["7", "7", "1", "5", "2"])
    assert [raw.detail_id(row["url"]) for row in rows(store, ref, "detail")] == ["7", "1", "5"]


def test_a_vacancy_without_employer_salary_or_time_is_one_too(server: HhServer, store: MemoryStore) -> None:
    server.items = [vacancy(1, NOW, employer=None, salary=None, snippet=None)]
    assert run(server, store).vacancies == 1


def test_a_search_that_finds_nothing_is_not_complete(server: HhServer, store: MemoryStore) -> None:
    ref = run(server, store)
    assert (ref.vacancies, ref.complete) == (0, False)


@pytest.mark.parametrize("body", [NOT_JSON.body, '{"items": null}', '["no page"]'])
def test_a_page_that_is_none_stops_the_run_and_is_not_kept(server: HhServer, store: MemoryStore, body: str) -> None:
    server.items = spread(10)
    server.before = lambda number, path: setattr(server, "always", Fault(200, body) if number == 2 else server.always)
    with pytest.raises(ServiceUnavailable, match="/vacancies"):
        run(server, store, patience=0.2)
    server.before, server.always = lambda number, path: None, None
    assert run(server, store).vacancies == 10
    assert not any(body.encode() in data for data in store.objects.values())


def test_dictionaries_without_rates_stop_the_run(server: HhServer, store: MemoryStore) -> None:
    server.dictionary = {"currency": []}
    with pytest.raises(ServiceUnavailable, match="/dictionaries: no currencies"):
        run(server, store)
    assert store.objects == {}


def test_an_address_without_the_api_is_named(server: HhServer, store: MemoryStore) -> None:
    server.always = Fault(404, json.dumps({"errors": [{"type": "not_found"}]}))
    with pytest.raises(ConfigInvalid, match=r"collect\.url"):
        run(server, store)


def test_progress_reaches_its_end(server: HhServer, store: MemoryStore) -> None:
    server.items = [vacancy(n, NOW - timedelta(hours=1, seconds=n % 600)) for n in range(2100)]
    server.details = {}
    seen: list[tuple[int, int]] = []
    run(server, store, progress=lambda done, known: seen.append((done, known)))
    assert all(0 < done <= known for done, known in seen)
    assert seen[-1] == (10, 10)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no dumps of real responses in {DATA} (XFLOW_DATA)")
@pytest.mark.parametrize(
    ("name", "taken_at"),
    [("2021_09_moscow_mariel", "2021-10-07T14:00:00"), ("2023_09_moscow_devops", "2023-09-04T18:00:00")],
)
def test_real_responses_are_collected_whole(store: MemoryStore, name: str, taken_at: str) -> None:
    items, details = replayed(name)
    with HhServer(items, details) as server:
        ref = run(server, store, taken_at=taken_at, window_days=30, details=40)
    first = datetime.fromisoformat(taken_at) - timedelta(days=30)
    recent = {item["id"] for item in items if (raw.published_at(item) or first) > first}
    assert ids(store, ref) >= recent
    assert ref.complete
    kept = {item["id"]: item for row in rows(store, ref, "search") for item in raw.search_items(row["body"])}
    assert all(kept[item["id"]] == item for item in items if item["id"] in kept)
    assert len(rows(store, ref, "detail")) == 40
