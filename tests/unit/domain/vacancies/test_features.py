"""What models see of vacancies."""

import numpy as np
import pandas as pd
import pytest
from flat_rows import at, flat

from xflow.domain.vacancies.cohorts import demand_labels, salary_labels
from xflow.domain.vacancies.features import NUMBERS, features_frame, text_columns, text_frame
from xflow.vacancy_pipeline import DemandTarget, SalaryTarget

SNAPSHOT = at("2023-09-04T12:00")


def features(*rows, texts=("responsibility",), categories=(), rates=None, as_of=None, **changed):
    batch = flat(*rows, **changed)
    ids = np.arange(batch.num_rows) + 10
    return features_frame(batch, ids, texts=texts, categories=categories, rates=rates or {}, as_of=as_of)


def number(name, **changed):
    return features(**changed)[name].item()


def test_the_columns():
    frame = features(texts=("responsibility", "name"), categories=("area_id", "employer_id"))
    words = ["responsibility", "responsibility_lemmas", "name", "name_lemmas", "area_id", "employer_id"]
    assert [*frame] == ["vacancy_id", "row_id", *words, *NUMBERS]
    assert text_columns(("responsibility", "name"), ("area_id",)) == tuple(words)
    assert frame.dtypes[list(NUMBERS)].eq("float64").all()
    assert frame["row_id"].tolist() == [10]


def test_texts_are_cleaned_and_codes_are_strings():
    frame = features(
        responsibility="<p>Пишет <highlighttext>код</highlighttext></p>", requirement=None, area_id=None,
        texts=("responsibility", "requirement"), categories=("area_id", "professional_role_id"),
    )  # fmt: skip
    (row,) = frame.to_dict("records")
    assert (row["responsibility"], row["responsibility_lemmas"]) == ("Пишет код", "писать код")
    assert (row["requirement"], row["requirement_lemmas"]) == ("", "")
    assert (row["area_id"], row["professional_role_id"], row["employer_id"]) == ("", "96", "1455")


@pytest.mark.parametrize(
    ("employer", "wanted"),
    [
        ({}, "1455"),
        ({"employer_id": None}, "HeadHunter"),
        ({"employer_name": None}, "1455"),
        ({"employer_id": None, "employer_name": None}, ""),
    ],
    ids=["id", "name", "id alone", "anonymous"],
)
def test_employers(employer, wanted):
    assert features(**employer)["employer_id"].item() == wanted


@pytest.mark.parametrize(
    ("salary", "wanted"),
    [
        ({}, 125_000.0),
        ({"salary_to": None}, 100_000.0),
        ({"salary_gross": True}, 108_750.0),
        ({"salary_gross": None}, 125_000.0),
        ({"salary_currency": "USD", "salary_rate": 0.01}, 12_500_000.0),
        ({"salary_currency": "USD"}, 1_250_000.0),
        ({"salary_currency": "RUR", "salary_rate": 0.01}, 125_000.0),
        ({"salary_from": None, "salary_to": None}, np.nan),
    ],
    ids=["midpoint", "from", "gross", "gross unknown", "rate of the row", "rate of the contract", "roubles", "none"],
)
def test_salaries(salary, wanted):
    frame = features(rates={"USD": 0.1}, **salary)
    np.testing.assert_allclose(frame["salary_net"], [wanted])
    assert frame["salary_stated"].tolist() == [float(not np.isnan(wanted))]


@pytest.mark.parametrize(
    "salary",
    [
        {"salary_mode": "HOUR"},
        {"salary_mode": "WEEK"},
        {"salary_currency": "XTS"},
        {"salary_currency": None},
        {"salary_from": 200_000.0},
        {"salary_from": -5.0},
        {"salary_from": float("inf")},
        {"salary_currency": "USD", "salary_rate": -1.0},
    ],
    ids=str,
)
def test_a_salary_of_which_no_figure_is_made_is_stated_all_the_same(salary):
    frame = features(**salary)
    assert frame[["salary_net", "salary_stated"]].fillna(-1.0).to_numpy().tolist() == [[-1.0, 1.0]]
    target = SalaryTarget()
    assert salary_labels(frame, target, target.boundaries).usable.tolist() == [False]


@pytest.mark.parametrize(
    "times",
    [
        {"published_at": at("2042-01-01")},
        {"first_seen": at("2042-01-01")},
        {"first_seen": at("2023-09-01"), "closed_at": at("2023-08-01")},
    ],
    ids=["published", "seen", "closed"],
)
def test_times_that_cannot_be_tell_no_lifetime(times):
    frame = features(**times)
    assert frame[["days", "followed"]].isna().to_numpy().all()
    assert frame["published"].item() <= SNAPSHOT.timestamp() / 86_400
    for measure in ("age", "lifetime"):
        assert demand_labels(frame, DemandTarget(), measure).usable.tolist() == [False]


@pytest.mark.parametrize(
    ("times", "days"),
    [
        ({}, 3.0),
        ({"initial_created_at": at("2023-08-01T12:00")}, 3.0),
        ({"published_at": at("2023-09-05T11:00")}, 0.0),
        ({"published_at": None}, np.nan),
        ({"first_seen": at("2023-09-02T12:00")}, 3.0),
        ({"first_seen": at("2023-08-25T12:00")}, 10.0),
        ({"first_seen": at("2023-08-25T12:00"), "initial_created_at": at("2023-08-15T12:00")}, 20.0),
        ({"first_seen": at("2023-08-25T12:00"), "published_at": None}, 10.0),
    ],
    ids=[
        "age",
        "creation needs a history",
        "clock ahead",
        "unknown",
        "published first",
        "seen first",
        "created",
        "seen alone",
    ],
)
def test_the_age_of_an_open_vacancy(times, days):
    frame = features(**times)
    np.testing.assert_allclose(frame["days"], [days])
    assert frame["closed"].tolist() == [0.0]
    assert frame["has_history"].tolist() == [float("first_seen" in times)]


def test_the_lifetime_of_a_closed_vacancy():
    seen = {"first_seen": at("2023-08-25T12:00"), "closed_at": at("2023-09-03T00:00")}
    assert number("days", **seen) == 8.5
    assert number("closed", **seen) == 1.0


def test_a_vacancy_closed_after_as_of_is_open():
    late = {"closed_at": at("2023-09-04T18:00")}
    assert (number("closed", **late), number("days", **late)) == (1.0, 3.25)
    assert (number("closed", as_of=SNAPSHOT, **late), number("days", as_of=SNAPSHOT, **late)) == (0.0, 3.0)


def test_snapshots_after_as_of_are_left_out():
    rows = [{"vacancy_id": "1"}, {"vacancy_id": "2", "snapshot_at": at("2023-09-05")}]
    frame = features(*rows, as_of=SNAPSHOT)
    assert frame[["vacancy_id", "row_id"]].values.tolist() == [["1", 10]]
    assert features(*rows, as_of=at("2023-09-01")).shape == (0, 5 + len(NUMBERS))


def test_the_day_of_publication():
    assert number("published") == pd.Timestamp("2023-09-01T12:00").timestamp() / 86_400
    assert number("published", published_at=None) == pd.Timestamp(SNAPSHOT).timestamp() / 86_400


def test_raw_vacancies_of_a_service():
    raw = pd.DataFrame(
        {"responsibility": ["Пишет&nbsp;<b>код</b>", None], "area_id": [1, np.nan]}, index=[7, 9], dtype=object
    )
    made = text_frame(raw, ("responsibility", "name"), ("area_id",))
    assert made.index.tolist() == [7, 9]
    assert made.to_dict("list") == {
        "responsibility": ["Пишет код", ""],
        "responsibility_lemmas": ["писать код", ""],
        "name": ["", ""],
        "name_lemmas": ["", ""],
        "area_id": ["1", ""],
        "employer_id": ["", ""],
    }


def test_how_old_a_vacancy_was_when_first_seen_and_for_how_long_it_was_followed():
    seen = {"first_seen": at("2023-08-25T12:00"), "initial_created_at": at("2023-08-15T12:00")}
    closed = seen | {"closed_at": at("2023-08-30T12:00")}
    assert (number("entered", **seen), number("followed", **seen)) == (10.0, 20.0)
    assert (number("days", **closed), number("followed", as_of=SNAPSHOT, **closed)) == (15.0, 20.0)
    assert np.isnan(number("entered"))
