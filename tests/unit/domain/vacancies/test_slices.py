"""Slices of a search lose nothing, whatever is published when, and repeat from one snapshot to the next."""

import string
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xflow.domain.vacancies.slices import CLOCK_AHEAD, STEP, Slice, divide, first_slices, scope
from xflow.vacancy_pipeline import Query

EPOCH = datetime(1970, 1, 1)
NOW = datetime(2026, 11, 21, 10, 3, 7)
DAYS = 3
QUERY = Query(text="python", area=("1", "2", "1620"), professional_role=("96", "160"))

moments = st.integers(-DAYS * 86_400, int(CLOCK_AHEAD.total_seconds())).map(lambda s: NOW + timedelta(seconds=s))
clustered = st.tuples(moments, st.integers(0, 5)).map(lambda pair: pair[0] + timedelta(seconds=60 * pair[1]))
vacancies = st.lists(
    st.tuples(clustered, st.sampled_from(QUERY.area), st.sampled_from(QUERY.professional_role)), max_size=60
)


def rounded(moment: datetime) -> datetime:
    return EPOCH + round((moment - EPOCH) / STEP) * STEP


def found(part: Slice, published: list[tuple[datetime, str, str]]) -> set[int]:
    """What the API finds: it rounds both ends and takes both in."""
    first, last = rounded(part.start), rounded(part.end)
    return {
        number
        for number, (moment, area, role) in enumerate(published)
        if first <= moment <= last and area in part.query.area and role in part.query.professional_role
    }


@given(published=vacancies, limit=st.integers(1, 8))
def test_every_vacancy_is_listed_unless_five_minutes_of_one_area_and_role_exceed_the_limit(
    published: list[tuple[datetime, str, str]], limit: int
) -> None:
    published = [(min(moment, NOW + CLOCK_AHEAD), area, role) for moment, area, role in published]
    waiting, listed, too_many = first_slices([QUERY], NOW, DAYS), set(), set()
    while waiting:
        part = waiting.pop()
        here = found(part, published)
        if len(here) <= limit:
            listed |= here
        elif smaller := divide(part):
            waiting.extend(smaller)
        else:
            too_many |= here
            assert part.end - part.start == STEP
            assert len(part.query.area) == len(part.query.professional_role) == 1
    assert listed | too_many == set(range(len(published)))


@given(seconds=st.integers(0, 86_400 * 400), days=st.integers(1, 30))
def test_the_first_slices_cover_the_window_without_gaps_and_an_api_clock_that_is_ahead(seconds: int, days: int) -> None:
    now = datetime(2026, 1, 1) + timedelta(seconds=seconds)
    slices = first_slices([QUERY], now, days)
    assert slices[0].start <= now - timedelta(days=days)
    assert slices[-1].end >= now + CLOCK_AHEAD
    assert all(one.end == two.start for one, two in pairwise(slices))
    assert slices[-1].start <= now
    assert len(slices) == days + 1


def test_slices_begin_at_midnight_of_moscow_and_come_oldest_first() -> None:
    slices = first_slices([QUERY], NOW, 2)
    assert [part.start for part in slices] == [datetime(2026, 11, day, 21) for day in (18, 19, 20)]
    assert dict(slices[0].params(3))["date_from"] == "2026-11-19T00:00:00+0300"
    assert dict(slices[0].params(3))["date_to"] == "2026-11-20T00:00:00+0300"
    assert dict(slices[0].params(3))["page"] == "3"


def test_slices_repeat_during_a_day_and_mostly_from_day_to_day() -> None:
    def names(now: datetime) -> set[str]:
        return {part.name for part in first_slices([QUERY], now, 30)}

    assert names(NOW) == names(NOW + timedelta(hours=9))
    assert len(names(NOW) & names(NOW + timedelta(days=1))) == 30
    smaller = [part.name for part in divide(first_slices([QUERY], NOW, 30)[4])]
    assert smaller == [part.name for part in divide(first_slices([QUERY], NOW + timedelta(hours=3), 30)[4])]


def test_a_query_given_twice_is_searched_once_and_every_query_is() -> None:
    other = QUERY.model_copy(update={"text": "go"})
    slices = first_slices([QUERY, other, QUERY], NOW, 1)
    assert {part.query for part in slices} == {QUERY, other}
    assert len({part.name for part in slices}) == len(slices) == 4


def test_halves_meet_on_five_minutes() -> None:
    part = Slice(Query(), datetime(2026, 11, 21, 10), datetime(2026, 11, 21, 10, 15))
    first, second = divide(part)
    assert first.end == second.start == datetime(2026, 11, 21, 10, 5)
    assert divide(first) == ()


def test_five_minutes_are_divided_by_area_and_then_by_role() -> None:
    part = Slice(QUERY, NOW.replace(minute=0, second=0), NOW.replace(minute=5, second=0))
    assert [half.query.area for half in divide(part)] == [("1",), ("2", "1620")]
    one_area = divide(part)[0]
    assert [half.query.professional_role for half in divide(one_area)] == [("96",), ("160",)]
    assert divide(divide(one_area)[0]) == ()


def test_parameters_hold_what_the_query_says_and_nothing_else() -> None:
    part = Slice(QUERY, datetime(2026, 11, 20, 21), datetime(2026, 11, 21, 21))
    params = part.params(0)
    assert [value for name, value in params if name == "area"] == ["1", "2", "1620"]
    assert [value for name, value in params if name == "professional_role"] == ["96", "160"]
    assert ("per_page", "100") in params
    assert ("order_by", "publication_time") in params
    bare = {name for name, _ in Slice(Query(), part.start, part.end).params(0)}
    assert bare == {"date_from", "date_to", "order_by", "per_page", "page"}


@given(text=st.text(max_size=20))
def test_names_are_safe_in_paths_and_differ_with_the_query(text: str) -> None:
    part = Slice(Query(text=text), datetime(2026, 11, 20, 21), datetime(2026, 11, 21, 21))
    assert set(part.name) <= set(string.ascii_letters + string.digits + "-")
    assert part.name != Slice(Query(), part.start, part.end).name


@pytest.mark.parametrize("days", [1, 30])
def test_a_scope_is_the_queries_and_the_window(days: int) -> None:
    other = QUERY.model_copy(update={"text": "go"})
    assert scope([QUERY, other], days) == scope([other, QUERY, QUERY], days)
    assert scope([QUERY], days) != scope([other], days)
    assert scope([QUERY], days) != scope([QUERY], days + 1)
