"""Forecasts of series over REST: by id and with values sent, from the right origin, and every fault of a request."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from served_world import COHORTS, FACTS, SERIES, ServedWorld, problem, published, served_world
from small_models import HORIZON, LENGTH, START, small_model, small_panel, small_series
from xflow.adapters.memory import MemoryFeatures
from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.forecaster import Forecaster
from xflow.domain.intervals import Conformal
from xflow.domain.panel import Panel
from xflow.pipeline import Pipeline
from xflow.ports import SeriesBlock
from xflow.refs import FeatureSetRef, RunKey
from xflow.serving.schemas_series import SeriesForecasts

URL = f"/v1/series/{SERIES}/forecast"
KEY = RunKey(pipeline=SERIES, kind="predict", run_id="one")
MINE = {"id": "mine", "start": "2020-01-01", "values": [1, 2.5, 3]}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServedWorld, TestClient]]:
    world = served_world(tmp_path_factory.mktemp("home"))
    with world.client() as client:
        yield world, client


@pytest.fixture
def world(shared: tuple[ServedWorld, TestClient]) -> ServedWorld:
    """A service whose models and features stay; nothing is logged yet."""
    shared[0].log.rows.clear()
    return shared[0]


@pytest.fixture
def client(shared: tuple[ServedWorld, TestClient]) -> TestClient:
    return shared[1]


def assert_forecast(found: dict[str, Any], panel: Panel, i: int, horizon: int, lead: int = 0) -> None:
    made = small_model(1.0).forecast(panel, horizon + lead)
    assert found["id"] == panel.ids[i]
    assert found["forecast"] == made.mean[i, lead:].tolist()
    bounds = [bound[i, lead:].tolist() for bound in made.bounds]
    lower, upper = ([found["intervals"][level][side] for level in ("80", "95")] for side in ("lower", "upper"))
    assert [lower, upper] == [bounds[::2], bounds[1::2]]
    times = panel.future_timestamps(horizon + lead)[i, lead:]
    assert found["timestamps"] == np.datetime_as_string(times, unit="s").tolist()


def test_series_by_id_have_the_numbers_of_the_model(client: TestClient) -> None:
    found = client.post(URL, json={"series_ids": ["s2", "s0"]})
    assert found.status_code == 200, found.text
    SeriesForecasts.model_validate(found.json())
    answer = found.json()
    assert (answer["feature_set"], answer["as_of"]) == (str(KEY), FACTS["as_of"])
    assert (answer["pipeline"], answer["model"]) == (SERIES, {"name": SERIES, "version": "1"})
    for row, i in zip(answer["forecasts"], (2, 0), strict=True):
        assert_forecast(row, small_panel(), i, HORIZON)
    assert answer["forecasts"][0]["timestamps"] == [f"2023-0{month}-01T00:00:00" for month in (1, 2, 3)]


def test_values_sent_have_the_same_numbers(client: TestClient, world: ServedWorld) -> None:
    sent = [{"id": each.series_id, "start": "2020-01-01", "values": each.values.tolist()} for each in small_series()]
    found = client.post(URL, json={"series": sent, "horizon": 5}).json()
    assert (found["feature_set"], found["as_of"]) == (None, None)
    for i, row in enumerate(found["forecasts"]):
        assert_forecast(row, small_panel(), i, 5)
    row = world.log.rows[1]
    assert (row.entity_id, row.row, row.target, row.model_version) == ("s1", 1, "", "1")
    assert json.loads(row.input) == {"start": "2020-01-01", "values": sent[1]["values"], "exogenous": {}}
    assert json.loads(row.output) == found["forecasts"][1]


def test_by_id_the_log_says_where_the_series_was_read(client: TestClient, world: ServedWorld) -> None:
    client.post(URL, json={"series_ids": ["s1"]})
    (row,) = world.log.rows
    assert (row.entity_id, row.endpoint) == ("s1", "/v1/series/{pipeline}/forecast")
    assert json.loads(row.input) == {"feature_set": str(KEY), "as_of": FACTS["as_of"]}


def test_a_forecast_starts_where_the_pipeline_says(tmp_path: Path) -> None:
    model = {
        "seasonality": 12,
        "horizon": HORIZON,
        "origin": "as_of",
        "floor": "naive",
        "candidates": [{"name": "naive", "kind": "seasonal_naive"}],
    }
    world = served_world(tmp_path, model=model)
    series = small_series()
    short = SeriesBlock("short", START, series[1].values[:-2], np.zeros((LENGTH - 2, 0)), 9)
    published(world.features, KEY, [series[0], short])
    with world.client() as client:
        found = client.post(URL, json={"series_ids": ["short", "s0"]}).json()["forecasts"]
        sent = client.post(URL, json={"series": [MINE]}).json()["forecasts"]
    panel = Panel.from_series("M", ["s0", "short"], [START + 35, START + 33], [series[0].values, short.values])
    assert_forecast(found[0], panel, 1, HORIZON, lead=2)
    assert_forecast(found[1], panel, 0, HORIZON)
    assert found[0]["timestamps"] == found[1]["timestamps"]
    assert sent[0]["timestamps"][0] == "2020-04-01T00:00:00"  # what is sent ends where it ends


def test_requests_side_by_side_get_their_own(client: TestClient) -> None:
    def ask(i: int) -> dict[str, Any]:
        return client.post(URL, json={"series_ids": [f"s{i % 4}"], "horizon": 1 + i % 3}).json()["forecasts"][0]

    with ThreadPoolExecutor(8) as pool:
        for i, row in enumerate(pool.map(ask, range(24))):
            assert_forecast(row, small_panel(), i % 4, 1 + i % 3)


class Purging(MemoryFeatures):
    """Loses a set between the look for it and the reading of it, so many times."""

    left = 0

    def pick(self, ref: FeatureSetRef, ids: Any) -> dict[str, Any]:
        if self.left:
            self.left -= 1
            published(self, RunKey(pipeline=SERIES, kind="predict", run_id=f"new {self.left}"), small_series())
            del self.sets[ref.id]
        return super().pick(ref, ids)


def test_a_set_that_is_purged_while_it_is_read_is_followed_by_the_newest(tmp_path: Path) -> None:
    world = served_world(tmp_path)
    features = Purging()
    published(features, KEY, small_series())
    features.left = 1
    world = ServedWorld(tmp_path, world.pipelines, features, world.models)
    with world.client() as client:
        found = client.post(URL, json={"series_ids": ["s0"]}).json()
        assert found["feature_set"].startswith(f"{SERIES}/predict/new-0")
        features.left = 2
        problem(client.post(URL, json={"series_ids": ["s0"]}), 503)


def run_of(name: str) -> RunKey:
    return KEY.model_copy(update={"run_id": name})


def test_what_is_published_later_is_read_soon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("xflow.serving.series_source.FRESH_SECONDS", 0.0)
    world = served_world(tmp_path)
    with world.client() as client:
        assert client.post(URL, json={"series_ids": ["s0"]}).json()["feature_set"] == str(KEY)
        newer = run_of("two")
        world.features.write(newer, FACTS, small_series())  # its run has not ended, or was stopped, or failed
        assert client.post(URL, json={"series_ids": ["s0"]}).json()["feature_set"] == str(KEY)
        published(world.features, run_of("backfill"), small_series(), as_of="2021-12-01T00:00:00")
        assert client.post(URL, json={"series_ids": ["s0"]}).json()["feature_set"] == str(KEY)
        published(world.features, newer, small_series())
        assert client.post(URL, json={"series_ids": ["s0"]}).json()["feature_set"] == str(newer)


def test_without_published_features_or_without_a_model(tmp_path: Path) -> None:
    world = served_world(tmp_path)
    world.features.retract(str(KEY))
    with world.client() as client:
        found = client.post(URL, json={"series_ids": ["s0"]})
        problem(found, 503)
        assert (
            found.json()["detail"] == f"no predictions of {SERIES} were published: run {SERIES}_predict, or send values"
        )
        assert client.post(URL, json={"series": [MINE]}).status_code == 200
        world.models._models.clear()
        problem(client.post(URL, json={"series": [MINE]}), 503)


def test_unknown_ids_are_named(client: TestClient) -> None:
    found = client.post(URL, json={"series_ids": ["s0", *(f"x{i}" for i in range(8)), "s\x00"]})
    assert sorted(problem(found, 404)) == [f"body.series_ids.{i}" for i in range(1, 6)]
    assert "9 of 10" in found.json()["detail"]
    assert "x0, x1, x2" in found.json()["detail"]


def sent(**fields: object) -> bytes:
    return json.dumps({"series": [MINE | fields]}).encode()


FIELD = "body.series.0."
FAULTS = {
    "neither": (b"{}", "body"),
    "both": (b'{"series_ids": ["s0"], "series": [{"id": "a", "start": "2020-01-01", "values": [1]}]}', "body"),
    "nulls": (b'{"series_ids": null, "series": null}', "body"),
    "no ids": (b'{"series_ids": []}', "body.series_ids"),
    "no series": (b'{"series": []}', "body.series"),
    "number for an id": (b'{"series_ids": [1]}', "body.series_ids.0"),
    "an id twice": (b'{"series_ids": ["s0", "s1", "s0"]}', "body.series_ids.2"),
    "a series twice": (json.dumps({"series": [MINE, MINE]}).encode(), "body.series.1"),
    "unknown field": (b'{"series_ids": ["s0"], "steps": 3}', "body.steps"),
    "unknown field of a series": (sent(unit="RUB"), FIELD + "unit"),
    "no steps": (b'{"series_ids": ["s0"], "horizon": 0}', "body.horizon"),
    "negative steps": (b'{"series_ids": ["s0"], "horizon": -1}', "body.horizon"),
    "many steps": (b'{"series_ids": ["s0"], "horizon": 1001}', "body.horizon"),
    "many steps of many series": (b'{"series_ids": ["s0", "s1", "s2"], "horizon": 201}', "body.horizon"),
    "part of a step": (b'{"series_ids": ["s0"], "horizon": 1.5}', "body.horizon"),
    "infinite steps": (b'{"series_ids": ["s0"], "horizon": 1e999}', "body.horizon"),
    "a truth for steps": (b'{"series_ids": ["s0"], "horizon": true}', "body.horizon"),
    "a text for steps": (b'{"series_ids": ["s0"], "horizon": "3"}', "body.horizon"),
    "NaN": (b'{"series": [{"id": "a", "start": "2020-01-01", "values": [1, NaN]}]}', FIELD + "values.1"),
    "infinity": (b'{"series": [{"id": "a", "start": "2020-01-01", "values": [1, 1e999]}]}', FIELD + "values.1"),
    "null": (sent(values=[1, None]), FIELD + "values.1"),
    "a truth": (sent(values=[True]), FIELD + "values.0"),
    "a text": (sent(values=["1"]), FIELD + "values.0"),
    "too large": (sent(values=[1.1e15]), FIELD + "values.0"),
    "no values": (sent(values=[]), FIELD + "values"),
    "inside a month": (sent(start="2020-01-15"), FIELD + "start"),
    "no such day": (sent(start="2020-02-31"), FIELD + "start"),
    "long ago": (sent(start="0001-01-01"), FIELD + "start"),
    "beyond time": (sent(start="2250-12-01"), "body.horizon"),
    "a month of another zone": (sent(start="2020-01-01T00:00:00+03:00"), FIELD + "start"),
    "inside a month, with a zone": (sent(start="2020-01-15T00:00:00Z"), FIELD + "start"),
    "a part of a second": (sent(start="2020-01-01T00:00:00.5Z"), FIELD + "start"),
    "a nanosecond": (sent(start="2020-01-01T00:00:00.000000001"), FIELD + "start"),
    "a date with a zone": (sent(start="2020-01-01Z"), FIELD + "start"),
    "no such zone": (sent(start="2020-01-01T00:00:00+25:00"), FIELD + "start"),
    "before all time": (sent(start="0001-01-01T00:00:00+14:00"), FIELD + "start"),
    "after all time": (sent(start="9999-12-31T23:59:59-14:00"), FIELD + "start"),
    "a number for a time": (sent(start=1577836800), FIELD + "start"),
    "a column that the pipeline has not": (sent(exogenous={"price": [1, 2, 3]}), FIELD + "exogenous"),
    "too many values": (sent(values=[1.0] * 601), "body.series"),
    "too many series": (json.dumps({"series_ids": [f"s{i}" for i in range(21)]}).encode(), "body.series_ids"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_by_its_field(client: TestClient, world: ServedWorld, fault: str) -> None:
    body, field = FAULTS[fault]
    found = problem(client.post(URL, content=body, headers={"content-type": "application/json"}), 422)
    assert any(name == field or name.startswith(field + ".") for name in found), found
    assert world.log.rows == []


@pytest.mark.parametrize(
    "start",
    [
        "2020-01-01T00:00:00Z",
        "2020-01-01T00:00Z",
        "2020-01-01T00:00:00.000Z",
        "2020-01-01T00:00:00.000000000",
        "2020-01-01 00:00:00",
        "2020-01-01T03:00:00+03:00",
        "2019-12-31T19:00:00.0-0500",
    ],
)
def test_a_start_with_a_zone_is_converted_to_utc(client: TestClient, start: str) -> None:
    found = client.post(URL, json={"series": [MINE | {"start": start}]})
    assert found.status_code == 200, found.text
    assert found.json()["forecasts"] == client.post(URL, json={"series": [MINE]}).json()["forecasts"]


@pytest.mark.parametrize(
    ("zone", "start", "status"),
    [
        ("Europe/Moscow", "2019-12-31T21:00:00Z", 200),
        ("Europe/Moscow", "2020-01-01T00:00:00+03:00", 200),
        ("Europe/Moscow", "2020-01-01", 200),
        ("Europe/Moscow", "2020-01-01T00:00:00Z", 422),
        ("America/Bogota", "2020-01-01T05:00:00Z", 200),
        ("UTC", "2020-01-01T00:00:00Z", 200),
    ],
)
def test_a_start_with_a_zone_is_converted_to_the_contracts_clock(
    tmp_path: Path, zone: str, start: str, status: int
) -> None:
    world = served_world(tmp_path, contract={"frequency": "M", "timezone": zone})
    with world.client() as client:
        found = client.post(URL, json={"series": [MINE | {"start": start}]})
        assert found.status_code == status, found.text
        if status == 200:
            assert found.json()["forecasts"] == client.post(URL, json={"series": [MINE]}).json()["forecasts"]


def test_a_start_off_the_grid_is_told_with_the_starts_beside_it(client: TestClient) -> None:
    found = problem(client.post(URL, json={"series": [MINE | {"start": "2020-01-01T00:00:00+03:00"}]}), 422)
    assert found[FIELD + "start"] == (
        "must be the start of a period of frequency M, from 1700 to 2250: 2019-12-31T21:00:00 on its clock is between "
        "2019-12-01T00:00:00 and 2020-01-01T00:00:00"
    )


def test_an_unknown_pipeline_and_one_of_vacancies(client: TestClient) -> None:
    assert "path.pipeline" in problem(client.post("/v1/series/none/forecast", json={"series_ids": ["a"]}), 404)
    found = client.post(f"/v1/series/{COHORTS}/forecast", json={"series_ids": ["a"]})
    assert "path.pipeline" in problem(found, 422)
    assert "/v1/vacancies/predict" in found.json()["detail"]


@pytest.mark.parametrize("values", [[5, 5], [5, 6], [0.0] * 40, [-1, 1, -1, 1], [1e15, 1e-15, 1e15]])
def test_short_constant_and_wild_series_are_answered(client: TestClient, values: list[float]) -> None:
    (row,) = client.post(URL, json={"series": [MINE | {"values": values}]}).json()["forecasts"]
    assert np.isfinite(row["forecast"]).all()


@pytest.fixture
def priced(tmp_path: Path) -> Iterator[TestClient]:
    """A service of a pipeline with a column that is known ahead: two steps of it for s0, none for s1."""
    places = {"train": f"input/{SERIES}/train/", "predict": f"input/{SERIES}/predict/", "exogenous": ["price"]}
    world = served_world(tmp_path, input=places)
    assert isinstance(world.pipelines[SERIES], Pipeline)
    price = np.linspace(1, 2, LENGTH + 2)[:, None]
    blocks = [
        SeriesBlock(each.series_id, START, each.values, price[: LENGTH + 2 - 2 * i], i)
        for i, each in enumerate(small_series()[:2])
    ]
    facts = FACTS | {"exogenous": "price"}
    assert world.features.publish(world.features.write(KEY, facts, blocks), facts["as_of"])
    panel = Panel(
        **{name: getattr(small_panel(), name) for name in ("freq", "ids", "starts", "offsets", "values")},
        exog_names=("price",),
        exog_offsets=np.arange(5) * LENGTH,
        exog=np.tile(price[:LENGTH], (4, 1)),
    )
    naive = build_candidate("seasonal_naive", {}, Setting(12, HORIZON))
    intervals = Conformal.fit(np.random.default_rng(1).normal(0, 1, (200, HORIZON)), (0.8, 0.95))
    world.serve(SERIES, "", Forecaster.fit(panel, {"naive": (1.0, naive)}, intervals, 12, HORIZON))
    with world.client() as client:
        yield client


def test_columns_must_be_known_as_far_as_the_forecast(priced: TestClient) -> None:
    assert priced.post(URL, json={"series_ids": ["s0"], "horizon": 2}).status_code == 200
    # As the pipeline does: a series that does not know its columns is forecast all the same, alone.
    assert len(priced.post(URL, json={"series_ids": ["s0", "s1"], "horizon": HORIZON}).json()["forecasts"]) == 2
    found = priced.post(URL, json={"series_ids": ["s0", "s1"], "horizon": HORIZON + 1})
    assert "body.horizon" in problem(found, 422)
    assert "such as s0, s1, know price" in found.json()["detail"]
    price = [1.0] * 5
    one = MINE | {"exogenous": {"price": price}}
    assert priced.post(URL, json={"series": [one], "horizon": 2}).status_code == 200
    found = priced.post(URL, json={"series": [one], "horizon": 3})
    assert problem(found, 422) == {"body.series.0.exogenous.price": "needs 6: one a value and a step"}
    assert "body.series.0.exogenous" in problem(priced.post(URL, json={"series": [MINE]}), 422)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"series": [{"id": "a", "start": "2020-01-01", "values": [""] * 9_000}]}, "body.series.0.values.0"),
        ({"series_ids": [1] * 9_000}, "body.series_ids.0"),
        ({"series": [1] * 9_000}, "body.series.0"),
    ],
)
def test_of_a_list_of_faults_the_first_is_told(client: TestClient, body: dict[str, Any], field: str) -> None:
    found = problem(client.post(f"/v1/series/{SERIES}/forecast", json=body), 422)
    assert list(found) == [field]
