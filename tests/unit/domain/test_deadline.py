"""Times of day by which predictions are promised."""

from datetime import UTC, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xflow.domain.deadline import DAY, last_deadline, next_deadline

SEVEN = time(7)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
MOSCOW = timezone(timedelta(hours=3))


@pytest.mark.parametrize(
    ("now", "last", "following"),
    [
        (datetime(2026, 11, 21, 6, 59, tzinfo=UTC), 20, 21),
        (datetime(2026, 11, 21, 7, 0, tzinfo=UTC), 21, 22),
        (datetime(2026, 11, 21, 23, 0, tzinfo=UTC), 21, 22),
        (datetime(2026, 11, 21, 1, 0, tzinfo=MOSCOW), 20, 21),
    ],
)
def test_a_deadline_is_of_the_day_in_utc(now: datetime, last: int, following: int) -> None:
    assert last_deadline(SEVEN, now) == datetime(2026, 11, last, 7, tzinfo=UTC)
    assert next_deadline(SEVEN, now) == datetime(2026, 11, following, 7, tzinfo=UTC)


@given(MOMENTS, st.times())
def test_every_moment_lies_between_two_deadlines_a_day_apart(now: datetime, by: time) -> None:
    assert last_deadline(by, now) <= now < next_deadline(by, now)
    assert next_deadline(by, now) - last_deadline(by, now) == DAY
