"""Cohorts of vacancies over REST: the answer, what is logged and counted, and every fault of a request."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from served_world import COHORTS, DUTIES, SERIES, ServedWorld, problem, served_world
from small_cohorts import CATEGORIES, TEXTS, small_cohorts, small_rows
from xflow.domain.vacancies.features import text_frame
from xflow.domain.vacancies.text import clean
from xflow.serving.schemas import VacanciesPredicted

URL = f"/v1/vacancies/predict?pipeline={COHORTS}"
ONE = {"id": "1", "responsibility": DUTIES}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServedWorld, TestClient]]:
    world = served_world(tmp_path_factory.mktemp("home"))
    with world.client() as client:
        yield world, client


@pytest.fixture
def world(shared: tuple[ServedWorld, TestClient]) -> ServedWorld:
    """A service whose models stay; nothing is logged yet."""
    shared[0].log.rows.clear()
    return shared[0]


@pytest.fixture
def client(shared: tuple[ServedWorld, TestClient]) -> TestClient:
    return shared[1]


def expected(rows: pd.DataFrame, target: str) -> np.ndarray:
    return small_cohorts(target).probabilities(text_frame(rows, TEXTS, CATEGORIES))


def test_the_answer_has_the_numbers_of_the_models(client: TestClient, world: ServedWorld) -> None:
    rows = small_rows().head(60)
    sent = rows[["id", *TEXTS, *CATEGORIES]].to_dict("records")
    found = client.post(URL, json={"vacancies": sent})
    assert found.status_code == 200, found.text
    VacanciesPredicted.model_validate(found.json())
    answer = found.json()
    assert answer["pipeline"] == COHORTS
    assert answer["models"] == {
        "salary": {"name": f"{COHORTS}_salary", "version": "2"},
        "demand": {"name": f"{COHORTS}_demand", "version": "3"},
    }
    assert [row["id"] for row in answer["predictions"]] == rows["id"].tolist()
    for target in ("salary", "demand"):
        names, wanted = small_cohorts(target).cohorts, expected(rows, target)
        made = [row[target] for row in answer["predictions"]]
        # Words alone are looked at, a row at a time: how many rows are together changes no bit.
        assert [[*each["probabilities"].values()] for each in made] == wanted.tolist()
        assert [each["cohort"] for each in made] == [names[i] for i in wanted.argmax(axis=1)]
        assert [each["probability"] for each in made] == wanted.max(axis=1).tolist()


def test_every_row_is_logged_and_counted(client: TestClient, world: ServedWorld) -> None:
    sent = [ONE | {"area_id": "1"}, ONE | {"id": "ё 😀", "name": None}]
    found = client.post(URL, json={"vacancies": sent}, headers={"X-Request-ID": "mine"}).json()
    rows = {(row.row, row.target): row for row in world.log.rows}
    assert sorted(rows) == [(0, "demand"), (0, "salary"), (1, "demand"), (1, "salary")]
    row = rows[1, "salary"]
    assert (row.request_id, row.pipeline, row.entity_id, row.caller) == ("mine", COHORTS, "ё 😀", "admin")
    assert (row.endpoint, row.model_name, row.model_version) == ("/v1/vacancies/predict", f"{COHORTS}_salary", "2")
    assert json.loads(row.input) == {"id": "ё 😀", "responsibility": DUTIES}
    assert json.loads(rows[0, "demand"].input) == sent[0]
    assert json.loads(row.output) == found["predictions"][1]["salary"]
    assert row.seconds > 0
    told = world.service.metrics.text().decode()
    assert f'xflow_predictions_total{{model="{COHORTS}_salary",version="2"}}' in told


def test_a_target_without_a_model_is_left_out(tmp_path: Path) -> None:
    world = served_world(tmp_path)
    world.models._models.pop(f"{COHORTS}_demand")
    with world.client() as client:
        found = client.post(URL, json={"vacancies": [ONE]}).json()
    assert sorted(found["predictions"][0]) == ["id", "salary"]
    assert sorted(found["models"]) == ["salary"]


def test_without_any_model_the_service_says_what_to_run(tmp_path: Path) -> None:
    world = served_world(tmp_path)
    world.models._models.clear()
    with world.client() as client:
        found = client.post(URL, json={"vacancies": [ONE]})
    assert problem(found, 503) == {}
    assert f"run {COHORTS}_train" in found.json()["detail"]
    assert world.log.rows == []


def test_answers_of_requests_side_by_side_are_their_own(client: TestClient, world: ServedWorld) -> None:
    rows = small_rows().head(48)
    wanted = expected(rows, "salary").tolist()

    def ask(i: int) -> list[list[float]]:
        sent = rows.iloc[[i, (i + 1) % 48]][["id", *TEXTS, *CATEGORIES]].to_dict("records")
        if i % 6 == 5:  # refused among the others
            problem(client.post(URL, json={"vacancies": [sent[0], sent[0]]}), 422)
        found = client.post(URL, json={"vacancies": sent}).json()
        assert [row["id"] for row in found["predictions"]] == [row["id"] for row in sent]
        return [[*row["salary"]["probabilities"].values()] for row in found["predictions"]]

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(ask, range(48)))
    assert found == [[wanted[i], wanted[(i + 1) % 48]] for i in range(48)]
    assert len(world.log.rows) == 48 * 2 * 2


def one(fields: bytes) -> bytes:
    return b'{"vacancies": [{%s}]}' % fields


FIELD = "body.vacancies.0."
FAULTS = {
    "nothing": (b"", "body"),
    "null": (b"null", "body"),
    "a list": (b"[]", "body"),
    "cut": (b'{"vacancies": [', "body"),
    "no UTF-8": (b"\xff\xfe", "body"),
    "no vacancies": (b"{}", "body.vacancies"),
    "empty": (b'{"vacancies": []}', "body.vacancies"),
    "no list": (b'{"vacancies": {"id": "1"}}', "body.vacancies"),
    "number for a vacancy": (b'{"vacancies": [1]}', "body.vacancies.0"),
    "no id": (one(b'"responsibility": "a"'), FIELD + "id"),
    "empty id": (one(b'"id": "", "responsibility": "a"'), FIELD + "id"),
    "number for an id": (one(b'"id": 1, "responsibility": "a"'), FIELD + "id"),
    "no responsibility": (one(b'"id": "1"'), FIELD + "responsibility"),
    "null text": (one(b'"id": "1", "responsibility": null'), FIELD + "responsibility"),
    "NaN": (one(b'"id": "1", "responsibility": NaN'), FIELD + "responsibility"),
    "infinity": (one(b'"id": "1", "responsibility": 1e999'), FIELD + "responsibility"),
    "no words": (one(b'"id": "1", "responsibility": "<b> &nbsp;</b>"'), FIELD + "responsibility"),
    "NUL": (one(b'"id": "1", "responsibility": "a\\u0000"'), FIELD + "responsibility"),
    "half a character": (one(b'"id": "1", "responsibility": "\\ud800"'), FIELD + "responsibility"),
    "unknown field": (one(b'"id": "1", "responsibility": "a", "salary": 1'), FIELD + "salary"),
    "half a character for a field": (one(b'"id": "1", "responsibility": "a", "\\ud800": 1'), "body.vacancies.0"),
    "unknown field beside": (b'{"vacancies": [{"id": "1", "responsibility": "a"}], "x": NaN}', "body.x"),
    "list for a code": (one(b'"id": "1", "responsibility": "a", "area_id": []'), FIELD + "area_id"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_by_its_field(client: TestClient, world: ServedWorld, fault: str) -> None:
    body, field = FAULTS[fault]
    found = problem(client.post(URL, content=body, headers={"content-type": "application/json"}), 422)
    assert field in found
    assert world.log.rows == []


@pytest.mark.parametrize(
    "body", [b'{"vacancies":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'{"vacancies": %s}' % (b"9" * 5_000)]
)
def test_json_that_python_cannot_take(client: TestClient, body: bytes) -> None:
    problem(client.post(URL, content=body, headers={"content-type": "application/json"}), 400)


def test_too_long_a_text_and_too_long_a_name(client: TestClient) -> None:
    long = {"vacancies": [ONE | {"description": "a" * 20_001, "area_id": "a" * 201}]}
    assert sorted(problem(client.post(URL, json=long), 422)) == [
        "body.vacancies.0.area_id",
        "body.vacancies.0.description",
    ]
    (field,) = problem(client.post(URL, json={"vacancies": [ONE], "x" * 10_000: 1}), 422)
    assert len(field) == 200


def test_texts_that_are_too_long_together(client: TestClient, world: ServedWorld) -> None:
    texts = [ONE | {"id": str(i), "name": "\ufdfa" * 1_000} for i in range(70)]  # cleaned, each has 18 times as many
    body = json.dumps({"vacancies": texts}, ensure_ascii=False).encode()
    found = client.post(URL, content=body, headers={"content-type": "application/json"})
    assert problem(found, 422) == {"body.vacancies": "more than 1000000 characters"}
    assert world.log.rows == []


def test_a_list_that_no_service_takes_is_not_read(client: TestClient) -> None:
    body = b'{"vacancies": [%s]}' % b",".join([b"{}"] * 50_001)
    fields = problem(client.post(URL, content=body, headers={"content-type": "application/json"}), 422)
    assert list(fields) == ["body.vacancies"]


def test_more_vacancies_than_the_service_takes(client: TestClient, world: ServedWorld) -> None:
    many = [ONE | {"id": str(i)} for i in range(71)]
    assert problem(client.post(URL, json={"vacancies": many}), 422) == {"body.vacancies": "at most 70"}
    assert client.post(URL, json={"vacancies": many[:70]}).status_code == 200


def test_a_body_that_is_too_large(client: TestClient) -> None:
    problem(client.post(URL, json={"vacancies": [ONE | {"description": "a" * 300_000}]}), 413)


@pytest.mark.parametrize("url", [URL, f"/models/{COHORTS}_salary/invocations"])
def test_a_body_that_is_too_large_and_does_not_say_so(client: TestClient, url: str) -> None:
    pieces = (b" " * 100_000 for _ in range(4))
    found = client.post(url, content=pieces, headers={"content-type": "application/json"})
    problem(found, 413)
    assert "300000 bytes" in found.json()["detail"]


def test_an_id_that_comes_twice(client: TestClient) -> None:
    found = client.post(URL, json={"vacancies": [ONE, ONE | {"id": "2"}, ONE]})
    assert problem(found, 422) == {"body.vacancies.2.id": "is that of body.vacancies.0, too"}


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "text/csv; charset=utf-8", ""])
def test_another_content_type(client: TestClient, kind: str) -> None:
    found = problem(client.post(URL, content=b'{"vacancies": []}', headers={"content-type": kind}), 415)
    assert "header.content-type" in found


def test_an_unknown_pipeline_and_one_of_series(client: TestClient) -> None:
    asked = {"vacancies": [ONE]}
    assert problem(client.post("/v1/vacancies/predict?pipeline=none", json=asked), 404) == {"query.pipeline": "unknown"}
    found = client.post(f"/v1/vacancies/predict?pipeline={SERIES}", json=asked)
    assert "query.pipeline" in problem(found, 422)
    assert f"/v1/series/{SERIES}/forecast" in found.json()["detail"]


def test_a_stranger_is_turned_away(world: ServedWorld) -> None:
    with world.client(Authorization="Bearer wrong") as client:
        problem(client.post(URL, json={"vacancies": [ONE]}), 401)
        problem(client.post(URL, content=b"x", headers={"content-type": "text/plain"}), 401)


@pytest.mark.parametrize(
    "text", ["😀 👩🏽\u200d💻 слово", "\u2028\u2029 a", "ﬁﬀ ёЁ", "a\u202eb", "<script>x", "'; drop table"]
)
def test_any_text_with_words_is_answered(client: TestClient, text: str) -> None:
    assert clean(text)
    found = client.post(URL, json={"vacancies": [{"id": text[:20], "responsibility": text}]})
    assert found.status_code == 200, found.text
    assert found.json()["predictions"][0]["id"] == text[:20]


def test_each_answer_is_of_one_version_while_models_are_swapped(tmp_path: Path) -> None:
    world = served_world(tmp_path)

    def ask(i: int) -> str:
        rows = [ONE | {"id": str(j)} for j in range(1 + i % 3)]
        found = client.post(URL, json={"vacancies": rows}).json()
        return str(found["models"]["salary"]["version"])

    with world.client() as client, ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, i) for i in range(60)]
        versions = {"2"} | {world.serve(COHORTS, "salary", small_cohorts("salary")) for _ in range(20)}
        found = {each.result() for each in asked}
    assert found <= versions
    by_request: dict[str, set[str]] = {}
    for row in world.log.rows:
        by_request.setdefault(row.request_id + row.target, set()).add(row.model_version)
    assert {len(each) for each in by_request.values()} == {1}
