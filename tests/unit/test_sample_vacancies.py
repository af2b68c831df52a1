"""The generated month of vacancies."""

import json
from collections import Counter
from datetime import date, datetime, timedelta

import pytest

from xflow import sample_vacancies
from xflow.adapters.memory import MemoryStore
from xflow.domain.vacancies.flat import sightings
from xflow.domain.vacancies.raw import currency_rates, search_items, search_page
from xflow.domain.vacancies.slices import DEPTH, PER_PAGE
from xflow.domain.vacancies.text import clean, normalised
from xflow.sample_postings import FIRST_ID
from xflow.sample_vacancies import DIRT, month, write_month
from xflow.steps.snapshots import list_snapshots, read_manifest, read_snapshot


@pytest.fixture(scope="module")
def snapshots():
    return list(month(vacancies=900))


@pytest.fixture(scope="module")
def listed(snapshots):
    """Return the items of each day, by id."""
    return [{item["id"]: item for item in items(snapshot)} for snapshot in snapshots]


def rows(snapshot, kind):
    return [row for part in snapshot.parts.values() for row in part if row.kind == kind]


def items(snapshot):
    return [item for row in rows(snapshot, "search") for item in search_items(row.body)]


def test_a_month_is_a_snapshot_a_day_that_ends_on_a_fixed_day_and_repeats_by_its_seed(snapshots):
    days = [snapshot.taken_at.date() for snapshot in snapshots]
    assert days == [date(2026, 10, 2) + timedelta(days=number) for number in range(30)]
    assert list(month(vacancies=900)) == snapshots
    assert list(month(seed=1, vacancies=900)) != snapshots
    assert [each.taken_at for each in month(vacancies=30, days=2, end=date(2025, 1, 1))] == [
        datetime(2024, 12, 31, 6),
        datetime(2025, 1, 1, 6),
    ]


def test_every_vacancy_is_listed_some_day_under_an_id_of_the_generated_range(listed):
    seen = {name for day in listed for name in day}
    assert 890 <= len(seen) <= 900  # the incomplete day misses those that were there on no other
    assert all(FIRST_ID <= int(name) < FIRST_ID + 900 for name in seen)


def test_everything_says_that_it_is_generated(snapshots, listed):
    assert {snapshot.facts.source for snapshot in snapshots} == {"generated"}
    hosts = {row.url.split("/")[2] for snapshot in snapshots for part in snapshot.parts.values() for row in part}
    assert hosts == {"generated.invalid"}
    employers = {(item["employer"] or {"name": "(generated)"})["name"] for day in listed for item in day.values()}
    assert all("(generated)" in name for name in employers)
    details = [json.loads(row.body) for row in rows(snapshots[0], "detail")]
    assert all("Generated text" in detail["description"] for detail in details)


def test_pages_carry_the_envelope_of_the_api(snapshots):
    pages = [search_page(row.body) for row in rows(snapshots[0], "search")]
    assert {page.pages for page in pages} == {len(pages)}
    assert sum(len(page.items) for page in pages) == pages[0].found + 1  # the item that moved on while we paged
    assert all(len(page.items) <= PER_PAGE for page in pages)
    times = [item["published_at"] for page in pages for item in page.items]
    assert times == sorted(times, reverse=True)
    assert all(time.endswith("+0300") for time in times)


def test_a_search_beyond_the_depth_of_the_api_is_cut_into_slices_that_find_everything():
    (snapshot,) = month(vacancies=3 * DEPTH, days=1)
    searches = [name for name in snapshot.parts if name.startswith("search-")]
    assert len(searches) > 1
    assert all(search_page(row.body).found <= DEPTH for row in rows(snapshot, "search"))
    assert len({item["id"] for item in items(snapshot)}) == snapshot.facts.vacancies == 3 * DEPTH


def test_one_snapshot_is_incomplete_and_says_so(snapshots):
    (incomplete,) = [snapshot for snapshot in snapshots if not snapshot.facts.complete]
    last = search_page(rows(incomplete, "search")[-1].body)
    assert len(rows(incomplete, "search")) < last.pages
    assert incomplete.facts.collected < incomplete.facts.found


@pytest.mark.parametrize("name", [*DIRT, "published_ahead", "duplicates", "details"])
def test_each_kind_of_dirt_is_there_and_counted(name, snapshots):
    assert sum(snapshot.facts.figures[name] for snapshot in snapshots) > 0


def test_the_counts_of_dirt_are_right(snapshots, listed):
    figures, day = snapshots[0].facts.figures, listed[0].values()
    half = len(day) * 0.5
    assert figures["salary_missing"] == pytest.approx(half, rel=0.2)
    salaries = [item["salary"] for item in items(snapshots[0]) if item["salary"]]
    assert figures["currency_unknown"] == sum(salary["currency"] == "XTS" for salary in salaries)
    assert figures["salary_reversed"] == sum(
        salary["from"] is not None and salary["to"] is not None and salary["from"] > salary["to"] for salary in salaries
    )
    ranges = [item["salary_range"] for item in items(snapshots[0]) if item["salary_range"]]
    assert figures["salary_not_monthly"] == sum(each["mode"]["id"] != "MONTH" for each in ranges)
    assert [{name: each[name] for name in salary} for each, salary in zip(ranges, salaries, strict=True)] == salaries
    assert figures["salary_not_monthly"] / len(ranges) == pytest.approx(0.05, abs=0.04)
    rates = currency_rates(rows(snapshots[0], "dictionary")[0].body)
    assert rates == snapshots[0].facts.rates
    assert "XTS" not in rates


def test_publications_move_forward_and_texts_repeat(listed):
    published = {}
    for day in listed:
        for name, item in day.items():
            published.setdefault(name, []).append(item["published_at"])
    assert all(times == sorted(times) for times in published.values())
    moved = sum(len(set(times)) > 1 for times in published.values())
    assert 0.1 < moved / len(published) < 0.5
    everything = {name: item for day in listed for name, item in day.items()}
    texts = [clean(item["snippet"]["responsibility"]) for item in everything.values()]
    exact, near = (Counter(key(text) for text in texts if len(text) > 20) for key in (str, normalised))
    assert 5 < sum(count - 1 for count in exact.values()) < sum(count - 1 for count in near.values())


def test_the_gone_are_archived_or_deleted_or_say_nothing(snapshots, listed):
    present = [name for name in listed[0] if name not in listed[1]]
    answers = {row.url.rpartition("/")[2]: row for row in rows(snapshots[1], "detail")}
    kinds = Counter(answers[name].status if name in answers else None for name in present)
    assert set(kinds) == {None, 200, 404}
    assert all(json.loads(answers[n].body)["archived"] for n in present if n in answers and answers[n].status == 200)


def test_a_month_is_written_as_finished_snapshots_and_twice_the_same():
    store = MemoryStore("bucket")
    written = write_month(store, "vacancies", vacancies=60, days=3)
    assert [ref.prefix for ref in written] == [
        f"s3://bucket/raw/vacancies/dt=2026-10-{day}/generated-202610{day}T060000/" for day in (29, 30, 31)
    ]
    assert write_month(store, "vacancies", vacancies=60, days=3) == written
    assert list_snapshots(store, "raw/vacancies/") == written
    batches = list(read_snapshot(store, written[0]))
    flat = [row for batch in batches for row in sightings(batch).to_pylist()]
    seen = {row["vacancy_id"] for row in flat if row["version"]}
    gone = {row["vacancy_id"] for row in flat if row["gone"]}
    assert len(seen | gone) >= written[0].vacancies == read_manifest(store, written[0]).vacancies
    assert all(row["name"] and row["published_at"] for row in flat if row["version"])


def test_the_manifest_counts_distinct_vacancies(snapshots):
    assert all(
        snapshot.facts.vacancies == len({item["id"] for item in items(snapshot)})
        and snapshot.facts.collected == len(items(snapshot))
        for snapshot in snapshots
    )
    assert {snapshot.facts.scope for snapshot in snapshots} == {snapshots[0].facts.scope}
    assert sample_vacancies.QUERY.area == ("1", "2", "1620")
