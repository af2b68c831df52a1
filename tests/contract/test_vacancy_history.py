"""The vacancy history on a real server, held against what plain Python says of the same snapshots."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from vacancy_lives import DAY, LIFE, RATES, Make, Snapshot, at, closed, expected, item, lives, rows, stored

from xflow.adapters.vacancy_history import GreenplumHistory
from xflow.refs import RunKey
from xflow.settings import Settings

pytestmark = pytest.mark.services


def test_any_order_gives_the_same_tables(history_of: Make, stores: Settings) -> None:
    expected = history_of(LIFE)
    tables, known = stored(stores, expected), rows(expected)
    for order in list(itertools.permutations(LIFE))[1::90]:
        other = history_of(order)
        assert stored(stores, other) == tables, [one.name for one in order]
        assert rows(other) == known


@settings(
    max_examples=15,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking takes minutes on a server
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_life_in_any_order(history_of: Make, stores: Settings, data: st.DataObject) -> None:
    life = data.draw(lives())
    history, other = history_of(life), history_of(data.draw(st.permutations(life)))
    assert stored(stores, history) == stored(stores, other)
    day = data.draw(st.integers(0, 6))
    found = {
        name: (*((row[at] - DAY).days for at in ("first_seen", "last_seen")), row["publications"], row["closed_at"])
        for name, row in rows(history, day).items()
    }
    assert found == {
        name: (*facts, None if closing is None else at(closing))
        for name, (*facts, closing) in expected(life, day).items()
    }


def test_a_snapshot_again_changes_nothing(history_of: Make, stores: Settings) -> None:
    history = history_of(LIFE)
    tables = stored(stores, history)
    for one in LIFE:
        assert not history.ingest(one.ref, RATES, one.rows())
    assert stored(stores, history) == tables
    assert history.known() == {one.name for one in LIFE}


def test_as_of_is_what_was_known_then(history_of: Make) -> None:
    """Nothing that a later snapshot says shows in what was known before it."""
    whole = history_of(LIFE)
    for day in range(5):
        then = history_of([one for one in LIFE if one.day <= day])
        assert rows(whole, day) == rows(then)
        assert rows(whole, day, since=day - 1) == rows(then, since=day - 1)


def test_a_snapshot_that_breaks_off_leaves_nothing(history_of: Make, stores: Settings) -> None:
    class Broken(Exception):
        pass

    def broken() -> Iterator[pa.RecordBatch]:
        yield from LIFE[1].rows()
        raise Broken

    history = history_of(LIFE[:1])
    tables = stored(stores, history)
    with pytest.raises(Broken):
        history.ingest(LIFE[1].ref, RATES, broken())
    assert stored(stores, history) == tables
    assert history.ingest(LIFE[1].ref, RATES, LIFE[1].rows())


def test_two_at_once_wait_for_each_other(history_of: Make, stores: Settings) -> None:
    one_by_one, at_once = history_of(LIFE), history_of([])
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda one: at_once.ingest(one.ref, RATES, one.rows()), [*LIFE, *LIFE]))
    assert sum(done) == len(LIFE)
    assert stored(stores, at_once) == stored(stores, one_by_one)


def test_preparing_at_once_and_twice(stores: Settings, key: RunKey) -> None:
    histories = [GreenplumHistory(stores.greenplum_dsn, key.pipeline, gone_after=n) for n in (1, 1, 2, 2)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: one.prepare(), histories))
    histories[0].prepare()


def test_the_facts_of_a_vacancy(history_of: Make) -> None:
    salary = {"from": 1000, "to": None, "currency": "USD", "gross": True}
    history = history_of(
        [
            Snapshot(0, [item("1", -1, salary=salary)]),
            Snapshot(1, [item("1", 1, salary=salary)], {"1": {"description": "d", "key_skills": [{"name": "SQL"}]}}),
            Snapshot(2, [item("1", 1, salary=salary)]),
        ]
    )
    row = rows(history)["1"]
    assert (row["first_seen"], row["last_seen"], row["snapshot_at"]) == (at(0), at(2), at(2))
    assert (row["published_at"], row["publications"], row["closed_at"]) == (at(1), 2, None)
    assert row["initial_created_at"] == at(-1)
    assert (row["salary_from"], row["salary_rate"], row["salary_gross"]) == (1000, 0.0125, True)
    assert (row["description"], row["key_skills"], row["responsibility"]) == ("d", "SQL", "to do 1")


def test_the_start_of_a_vacancy_is_the_earliest_known(history_of: Make) -> None:
    created = {"1": {"description": "d", "initial_created_at": "2026-01-01T03:00:00+0300"}}
    history = history_of([Snapshot(0, [item("1", -5)]), Snapshot(1, [item("1", 1)], created)])
    assert rows(history, 0)["1"]["initial_created_at"] == at(-5)
    assert rows(history, 1)["1"]["initial_created_at"].isoformat() == "2026-01-01T00:00:00"


def test_absence_closes_after_so_many_complete_snapshots(history_of: Make) -> None:
    history = history_of([Snapshot(0, [item("1")]), Snapshot(1, []), Snapshot(2, []), Snapshot(3, [])])
    assert closed(history, 1) == {"1": None}
    assert closed(history, 2) == closed(history) == {"1": 1}
    patient = history_of([Snapshot(0, [item("1")]), Snapshot(1, []), Snapshot(2, [])], gone_after=3)
    assert closed(patient) == {"1": None}
    assert rows(patient)["1"]["snapshot_at"] == at(0)


def test_an_incomplete_snapshot_closes_nothing(history_of: Make) -> None:
    gaps = [Snapshot(day, [], complete=False) for day in (1, 2, 3)]
    assert closed(history_of([Snapshot(0, [item("1")]), *gaps])) == {"1": None}


def test_a_snapshot_of_other_queries_closes_nothing(history_of: Make) -> None:
    others = [Snapshot(day, [], scope="b") for day in (1, 2, 3)]
    assert closed(history_of([Snapshot(0, [item("1")]), *others])) == {"1": None}


def test_an_archived_vacancy_is_closed(history_of: Make) -> None:
    gone = {"1": {"archived": True, "description": "d"}, "2": None}
    history = history_of([Snapshot(0, [item("1"), item("2"), item("3")]), Snapshot(2, [item("3")], gone)])
    assert closed(history) == {"1": 2, "2": 2, "3": None}
    assert closed(history_of([Snapshot(0, [item("1")]), Snapshot(1, [item("1", archived=True)])])) == {"1": 1}


def test_an_archived_vacancy_closed_when_it_was_first_absent(history_of: Make) -> None:
    life = [Snapshot(0, [item("1")]), Snapshot(1, []), Snapshot(2, [], {"1": None})]
    assert closed(history_of(life, gone_after=9)) == {"1": 1}


def test_of_two_contents_in_one_snapshot_the_newest_counts(history_of: Make) -> None:
    twice = [item("1", -1), item("1", -2), item("2", -2), item("2", -1)]
    found = rows(history_of([Snapshot(0, twice)]))
    assert [(row["published_at"], row["publications"]) for row in found.values()] == [(at(-1), 1)] * 2


def test_a_vacancy_that_comes_back_is_open(history_of: Make) -> None:
    absent = [Snapshot(0, [item("1")]), Snapshot(1, []), Snapshot(2, [])]
    assert closed(history_of([*absent, Snapshot(3, [item("1")])])) == {"1": None}
    archived = [Snapshot(0, [item("1")]), Snapshot(1, [], {"1": None})]
    assert closed(history_of([*archived, Snapshot(2, [item("1", 2)])])) == {"1": None}
    again = [*archived, Snapshot(2, [item("1", 2)]), Snapshot(3, [], {"1": None})]
    assert closed(history_of(again)) == {"1": 3}


def test_what_has_left_the_window_is_unknown(history_of: Make) -> None:
    """A window of 7 days cannot say what became of a vacancy published 8 days ago."""
    life = [Snapshot(0, [item("1", -6), item("2")]), *(Snapshot(day, []) for day in (2, 3, 4))]
    assert closed(history_of(life, window_days=7)) == {"1": None, "2": 2}
    assert closed(history_of(life)) == {"1": 2, "2": 2}


def test_what_changed_since(history_of: Make) -> None:
    history = history_of(
        [
            Snapshot(0, [item("1"), item("2"), item("3"), item("4")]),
            Snapshot(1, [item("1"), item("2", 1), item("3"), item("5")], {"3": {"description": "d"}, "4": None}),
        ]
    )

    def changed(since: float | None) -> list[str]:
        return [name for name, row in rows(history, since=since).items() if row["changed"]]

    assert changed(0) == ["2", "3", "5"]
    assert changed(None) == ["1", "2", "3", "5"]
    assert changed(1) == []


def test_which_details_to_fetch(history_of: Make) -> None:
    detail = {"description": "d", "published_at": item("x")["published_at"]}
    history = history_of(
        [Snapshot(0, [item("1"), item("2"), item("3")], {"1": detail, "2": detail, "3": detail}), Snapshot(1, [])]
    )
    listed = {"1": at(0), "2": at(2), "4": at(1), "5": at(2)}
    assert history.wanted("a", listed) == ["3", "5", "4", "2"]
    assert history.wanted("b", listed) == ["5", "4", "2"]


def test_publications_are_kept(history_of: Make, stores: Settings) -> None:
    history = history_of([Snapshot(0, [item("1")]), Snapshot(1, [item("1", 1)]), Snapshot(2, [item("1", 1)])])
    with psycopg2.connect(stores.greenplum_dsn) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT published_at, seen_at FROM mart.{history._pipeline}_publication ORDER BY 1")
        assert cursor.fetchall() == [(at(0), at(0)), (at(1), at(1))]
        cursor.execute(f"SELECT vacancy_id, publications, closed_at FROM mart.{history._pipeline}_history")
        assert cursor.fetchall() == [("1", 2, None)]
    connection.close()
