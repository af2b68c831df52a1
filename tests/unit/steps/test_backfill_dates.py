"""Which values were known at a past date."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xflow.pipeline import load
from xflow.settings import pipelines_folder
from xflow.steps.kinds import input_kind


def known_at(frequency: str, moment: datetime) -> datetime:
    found = load(pipelines_folder() / "tourism_monthly.yaml")
    contract = found.contract.model_copy(update={"frequency": frequency})
    return input_kind(found.model_copy(update={"contract": contract})).known_at(moment)


@pytest.mark.parametrize(
    ("frequency", "moment", "known"),
    [
        ("M", "2026-10-01T06:00", "2026-09-01"),
        ("M", "2026-10-01", "2026-09-01"),
        ("M", "2026-09-30T23:59:59", "2026-08-01"),
        ("M", "2026-01-15", "2025-12-01"),
        ("D", "2026-10-01T06:00", "2026-09-30"),
        ("h", "2026-10-01T06:10", "2026-10-01T05:00"),
        ("W-SUN", "2026-10-01", "2026-09-21"),  # a Thursday: the week that ended on Sunday the 27th
        ("Q-DEC", "2026-10-01", "2026-07-01"),
        ("Y-DEC", "2026-10-01", "2025-01-01"),
    ],
)
def test_a_value_is_known_when_its_period_is_over(frequency: str, moment: str, known: str) -> None:
    assert known_at(frequency, datetime.fromisoformat(moment)) == datetime.fromisoformat(known)


@given(minutes=st.integers(0, 60 * 24 * 400), frequency=st.sampled_from([("15min", 15), ("h", 60), ("D", 1440)]))
def test_the_newest_known_value_covers_nothing_after_the_date(minutes: int, frequency: tuple[str, int]) -> None:
    name, length = frequency
    moment = datetime(2025, 1, 1) + timedelta(minutes=minutes)
    known = known_at(name, moment)
    assert known + timedelta(minutes=length) <= moment < known + timedelta(minutes=2 * length)


def test_a_delivery_of_vacancies_is_known_from_the_moment_it_was_made() -> None:
    moment = datetime(2026, 10, 1, 6, 30)
    assert input_kind(load(pipelines_folder() / "vacancies.yaml")).known_at(moment) == moment
