"""What responses of the API say, row by row."""

import gzip
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xflow.domain.vacancies.flat import CODES, SIGHTING_SCHEMA, sightings
from xflow.errors import InputUnreadable
from xflow.schema import RAW_SCHEMA
from xflow.settings import REPOSITORY

ITEM: dict[str, Any] = {
    "id": "7",
    "name": "Инженер",
    "area": {"id": "1", "name": "Москва"},
    "employer": {"id": "9", "name": "Пример"},
    "salary": {"from": 100, "to": 200, "currency": "USD", "gross": True},
    "snippet": {"requirement": "знать", "responsibility": "делать <highlighttext>дело</highlighttext>"},
    "schedule": {"id": "fullDay"},
    "experience": {"id": "noExperience"},
    "employment": {"id": "full"},
    "professional_roles": [{"id": "160", "name": "DevOps"}, {"id": "96", "name": "Программист"}],
    "published_at": "2023-09-04T15:45:24+0300",
    "archived": False,
}
SPARSE = ("employer", "salary", "snippet", "area", "schedule", "experience", "employment", "professional_roles")


def rows(*responses: tuple[str, str, int, str | None]) -> list[dict[str, Any]]:
    raw = [
        {"kind": kind, "url": url, "status": status, "etag": '"e"', "fetched_at": datetime.min, "body": body}  # noqa: DTZ901
        for kind, url, status, body in responses
    ]
    return sightings(pa.RecordBatch.from_pylist(raw, schema=RAW_SCHEMA)).to_pylist()


def page(*items: Any) -> tuple[str, str, int, str]:
    body = {"found": 1, "pages": 1, "page": 0, "items": items}
    return "search", "https://api.hh.ru/vacancies?page=0", 200, json.dumps(body)


def detail(body: Any, name: str = "7", status: int = 200) -> tuple[str, str, int, str | None]:
    return "detail", f"https://api.hh.ru/vacancies/{name}?host=hh.ru", status, body and json.dumps(body)


def test_an_item() -> None:
    (row,) = rows(page(ITEM))
    assert row | {"version": ""} == dict.fromkeys(SIGHTING_SCHEMA.names) | {
        "vacancy_id": "7",
        "version": "",
        "responsibility": "делать <highlighttext>дело</highlighttext>",
        "name": "Инженер",
        "requirement": "знать",
        "employer_id": "9",
        "employer_name": "Пример",
        "area_id": "1",
        "area_name": "Москва",
        "professional_role_id": "160",
        "professional_role": "DevOps",
        "experience_id": "noExperience",
        "employment_id": "full",
        "schedule_id": "fullDay",
        "salary_from": 100.0,
        "salary_to": 200.0,
        "salary_currency": "USD",
        "salary_gross": True,
        "published_at": datetime(2023, 9, 4, 12, 45, 24),
    }


@pytest.mark.parametrize("absent", [None, "drop", [], "text", 5])
def test_what_is_absent_is_null(absent: Any) -> None:
    item = {name: value for name, value in ITEM.items() if name not in SPARSE}
    (row,) = rows(page(item if absent == "drop" else item | dict.fromkeys(SPARSE, absent)))
    assert {name for name, value in row.items() if value is not None} == {
        "vacancy_id", "version", "name", "published_at"
    }  # fmt: skip


def test_an_item_without_an_id_says_nothing() -> None:
    assert rows(page({"name": "x"}, {"id": None}, "text", ITEM))[0]["vacancy_id"] == "7"


def test_a_version_is_the_content() -> None:
    again = ITEM | {"premium": True, "url": "elsewhere"}
    other = [ITEM | {"published_at": "2023-09-05T15:45:24+0300"}, ITEM | {"salary": None}, ITEM | {"name": "x"}]
    versions = [row["version"] for row in rows(page(ITEM, again, *other))]
    assert versions[0] == versions[1]
    assert len(set(versions)) == 4


def test_an_archived_item_is_gone() -> None:
    (row,) = rows(page(ITEM | {"archived": True}))
    assert (row["gone"], row["version"], row["name"]) == (True, None, None)


def test_a_detail() -> None:
    body = {
        "id": "7",
        "description": "<p>Всё</p>",
        "key_skills": [{"name": "SQL"}, {"name": "1С"}, {"name": None}, "x"],
        "initial_created_at": "2022-09-04T00:00:00+0300",
        "published_at": "2023-09-04T15:45:24+0300",
        "archived": False,
        "schedule": {"id": "remote"},
    }
    (row,) = rows(detail(body))
    assert {name: value for name, value in row.items() if value is not None} == {
        "vacancy_id": "7",
        "gone": False,
        "detail_etag": '"e"',
        "detail_published_at": datetime(2023, 9, 4, 12, 45, 24),
        "initial_created_at": datetime(2022, 9, 3, 21),
        "description": "<p>Всё</p>",
        "key_skills": "SQL\n1С",
        "detail_schedule_id": "remote",
    }
    assert rows(detail(body | {"archived": True}))[0]["gone"] is True


def test_a_deleted_vacancy_is_gone() -> None:
    (row,) = rows(detail(None, "8", 404))
    assert (row["vacancy_id"], row["gone"], row["description"]) == ("8", True, None)


def test_dictionaries_say_nothing() -> None:
    assert rows(("dictionary", "https://api.hh.ru/dictionaries", 200, "{}")) == []


@pytest.mark.parametrize("kind", ["search", "detail"])
@pytest.mark.parametrize("body", [None, "", "<html>", "[]", "{}", "null", "[" * 10_000])
def test_what_the_api_does_not_answer_is_refused_with_its_url(kind: str, body: str | None) -> None:
    with pytest.raises(InputUnreadable, match=r"https://api\.hh\.ru/vacancies/7\?page=3: .*collect again"):
        rows((kind, "https://api.hh.ru/vacancies/7?page=3", 200, body))


def test_a_content_keeps_the_name_that_earlier_versions_gave_it() -> None:
    # By another name every vacancy would have changed, and be predicted again.
    assert rows(page(ITEM))[0]["version"] == "9c6034f9b9f33340"
    modern = {"from": 100, "to": 200, "currency": "USD", "gross": True, "mode": {"id": "HOUR"}}
    assert rows(page(ITEM | {"salary_range": modern}))[0]["version"] != "9c6034f9b9f33340"


def test_texts_that_no_store_takes_are_mended() -> None:
    (row,) = rows(page(ITEM | {"name": "a\x00b \ud83d 😀"}))
    assert row["name"] == "a b ? 😀"


@pytest.mark.parametrize("salary", [{"from": 10**400}, {"from": True}, {"from": "much"}, {"from": float("nan")}])
def test_a_salary_that_is_no_number_is_null(salary: dict[str, Any]) -> None:
    assert rows(page(ITEM | {"salary": salary}))[0]["salary_from"] is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "name", "from"]), inner),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([*ITEM, "key_skills", "description", "initial_created_at"]), JSON))
def test_any_json_gives_rows(facts: dict[str, Any]) -> None:
    item = facts | {"id": "7"}
    listed, described = rows(page(item), detail(item))
    assert listed["vacancy_id"] == described["vacancy_id"] == "7"


FLAT = ("name", "responsibility", "requirement", "area_id", "employer_id", "experience_id", "schedule_id")
DATA = Path(os.environ.get("XFLOW_DATA", REPOSITORY.parent / "shared" / "data")) / "vacancies"


def lines(file: Path) -> list[Any]:
    with gzip.open(file, "rt", encoding="utf-8") as text:
        return [json.loads(line) for line in text]


@pytest.mark.parametrize("dump", ["2021_09_moscow_mariel", "2023_09_moscow_devops"])
def test_real_responses(dump: str) -> None:
    folder = DATA / dump
    if not folder.is_dir():
        pytest.skip(f"no real responses: {folder} is not there; name the folder of real data in XFLOW_DATA")
    found = pd.DataFrame(rows(page(*lines(folder / "search_items.jsonl.gz"))))
    details = pd.DataFrame(rows(*(detail(one, one["id"]) for one in lines(folder / "details.jsonl.gz"))))
    theirs = pd.read_parquet(folder / "vacancies.parquet")
    theirs = theirs[theirs["src_pos"].notna()].reset_index(drop=True)
    assert list(found["vacancy_id"]) == list(theirs["id"])
    archived = found["gone"].notna()  # says that the vacancy is gone, and no more
    assert archived.sum() <= 1
    found, theirs = (frame[~archived].reset_index(drop=True) for frame in (found, theirs))
    by_id = details.drop_duplicates("vacancy_id").set_index("vacancy_id").reindex(found["vacancy_id"])
    for name in CODES:
        found[name] = found[name].fillna(pd.Series(by_id[f"detail_{name}"].array))
    for name in FLAT:
        assert (found[name].fillna("") == theirs[name].fillna("").astype(str)).all(), name
    for name in ("salary_from", "salary_to"):
        assert (found[name].fillna(-1) == theirs[name].fillna(-1).astype(float)).all(), name
    times = pd.to_datetime(theirs["published_at"], utc=True).dt.tz_localize(None)
    assert (found["published_at"] == times).all()
    described = by_id["description"].notna().to_numpy()
    assert (by_id["description"].to_numpy()[described] == theirs["description"].to_numpy()[described]).all()
