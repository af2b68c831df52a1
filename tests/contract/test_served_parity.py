"""The same rows through a batch and through REST give the same numbers, on the real stores, for both kinds.

Compared within 1e-9: a batch multiplies many rows at once, and sums of floats depend on their order in the last bits.
"""

import json
import uuid
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from audit_inputs import series_objects, series_pipeline, vacancy_objects, vacancy_pipeline
from audit_world import World
from fastapi.testclient import TestClient

from served_world import LIMITS, ServedWorld
from small_cohorts import CATEGORIES, TEXTS, small_cohorts, small_rows
from small_models import small_panel
from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.forecaster import Forecaster
from xflow.domain.intervals import Conformal
from xflow.domain.panel import period_starts
from xflow.refs import ModelVersionRef
from xflow.settings import Settings

pytestmark = pytest.mark.services

SAME = {"rtol": 1e-9, "atol": 1e-12}
HORIZON = 6


def forecaster() -> Forecaster:
    """Return a model whose members look at series together and one by one."""
    panel, setting = small_panel(), Setting(12, HORIZON, device="cpu")
    xgb = build_candidate("global_xgb", {"trees": 20, "depth": 3, "min_child_weight": 1.0}, setting)
    members = {"xgb": (0.5, xgb), "theta": (0.5, build_candidate("theta", {}, setting))}
    intervals = Conformal.fit(np.random.default_rng(1).normal(0, 1, (200, HORIZON)), (0.8, 0.95))
    return Forecaster.fit(panel, members, intervals, 12, HORIZON)


def champion(world: World, target: str, model: Any, example: pd.DataFrame) -> ModelVersionRef:
    """Register a version of a model and let it serve."""
    registry, name = world.predicted.registry, world.config.model_name(target)
    run_id = registry.open_run(world.trained.key, {}, {"kind": "train"}, target)
    uri = registry.log_model(run_id, model, example, {}, {}, {}, {})
    version = registry.register(name, run_id, uri, {"run_key": str(world.trained.key)}, "small")
    registry.promote(version, None)
    return version


Served = tuple[World, World, ServedWorld, TestClient]


@pytest.fixture(scope="module")
def served(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two pipelines, predicted with, and a service of the same champions and features."""
    name, folder = f"t_served_{uuid.uuid4().hex[:8]}", tmp_path_factory.mktemp("pipelines")
    cohorts = vacancy_pipeline(f"{name}_v", texts=TEXTS, categories=CATEGORIES, demand={})
    series = World(stack, series_pipeline(f"{name}_s", origin="as_of", horizon=HORIZON), folder, series_objects())
    vacancies = World(stack, cohorts, folder, vacancy_objects(200))
    service = ServedWorld(
        tmp_path_factory.mktemp("home"),
        {each.name: each.config for each in (series, vacancies)},
        series.predicted.features,
    )
    example = small_rows().head(3)[[*TEXTS, *CATEGORIES]]
    chosen = [(series, "", forecaster(), small_panel().to_frame())]
    chosen += [(vacancies, target, small_cohorts(target), example) for target in cohorts.targets]
    for world, target, model, rows in chosen:
        version = champion(world, target, model, rows)
        loaded = mlflow.pyfunc.load_model(f"models:/{version.name}/{version.version}")
        service.serve(world.name, target, loaded.unwrap_python_model().model, loaded)
    for world in (series, vacancies):
        world.predict()
    with service.client() as client:
        yield series, vacancies, service, client


def batch_forecasts(world: World) -> dict[str, np.ndarray]:
    """Return forecast and bounds of each series, shape (horizon, 5)."""
    found = defaultdict(list)
    columns = "forecast, lower_80, upper_80, lower_95, upper_95"
    for name, *values in world.sql(f"SELECT series_id, {columns} FROM {{p}}_prediction ORDER BY series_id, step"):
        found[name].append(values)
    return {name: np.array(rows) for name, rows in found.items()}


def numbers(row: dict[str, Any]) -> np.ndarray:
    sides = [row["intervals"][level][side] for level in ("80", "95") for side in ("lower", "upper")]
    return np.array([row["forecast"], *sides]).T


def test_series_by_id_are_forecast_as_in_a_batch(served: Served) -> None:
    world, _, _, client = served
    wanted = batch_forecasts(world)
    times = [time.isoformat() for (time,) in world.sql("SELECT DISTINCT timestamp FROM {p}_prediction ORDER BY 1")]
    assert len(wanted) == 6
    url = f"/v1/series/{world.name}/forecast"
    for ids in ([*wanted], ["s3"], ["s5", "s0"]):
        found = client.post(url, json={"series_ids": ids})
        assert found.status_code == 200, found.text
        assert found.json()["feature_set"] == str(world.predicted.key)
        for row, name in zip(found.json()["forecasts"], ids, strict=True):
            assert row["timestamps"] == times  # from as_of on, wherever a series ends
            np.testing.assert_allclose(numbers(row), wanted[name], **SAME)


def test_values_sent_are_forecast_as_in_a_batch(served: Served) -> None:
    world, _, _, client = served
    wanted = batch_forecasts(world)
    features = world.predicted.features
    ref = features.ready(str(world.predicted.key))
    assert ref is not None
    facts, blocks = features.read(ref)
    as_of = pd.Timestamp(facts["as_of"]).to_period("M").ordinal
    leads = set()
    for block in blocks:
        lead = as_of - (block.start + len(block.values) - 1)
        leads.add(lead)
        start = str(period_starts(np.array([block.start]), "M")[0])[:10]
        sent = {"id": block.series_id, "start": start, "values": block.values.tolist()}
        found = client.post(f"/v1/series/{world.name}/forecast", json={"series": [sent], "horizon": HORIZON + lead})
        (row,) = found.json()["forecasts"]
        np.testing.assert_allclose(numbers(row)[lead:], wanted[block.series_id], **SAME)
    assert len(leads) > 1


def sent_vacancies(world: World, most: int) -> dict[str, dict[str, str]]:
    query = "SELECT vacancy_id, responsibility, employer_id FROM {p}_input ORDER BY vacancy_id"
    found = world.sql(f"{query} LIMIT %s", most)
    return {name: {"id": name, "responsibility": text, "employer_id": employer} for name, text, employer in found}


def batch_cohorts(world: World) -> dict[tuple[str, str], tuple[str, dict[str, float]]]:
    found = world.sql("SELECT vacancy_id, target, cohort, probabilities FROM {p}_prediction")
    return {(name, target): (cohort, json.loads(shares)) for name, target, cohort, shares in found}


def test_vacancies_are_predicted_as_in_a_batch(served: Served) -> None:
    _, world, _, client = served
    wanted, sent = batch_cohorts(world), sent_vacancies(world, LIMITS["most_rows"])
    url = f"/v1/vacancies/predict?pipeline={world.name}"
    together = client.post(url, json={"vacancies": [*sent.values()]}).json()["predictions"]
    alone = [client.post(url, json={"vacancies": [one]}).json()["predictions"][0] for one in [*sent.values()][:5]]
    assert len(together) == LIMITS["most_rows"]
    for row in together + alone:
        for target in ("salary", "demand"):
            cohort, shares = wanted[row["id"], target]
            assert row[target]["cohort"] == cohort
            assert [*row[target]["probabilities"]] == [*shares]
            np.testing.assert_allclose([*row[target]["probabilities"].values()], [*shares.values()], **SAME)


def test_mlflow_s_protocol_gives_the_same_numbers(served: Served) -> None:
    _, world, _, client = served
    wanted, sent = batch_cohorts(world), sent_vacancies(world, 20)
    frame = pd.DataFrame([*sent.values()])[["responsibility"]]
    found = client.post(
        f"/models/{world.name}_salary/invocations",
        content=frame.to_csv(index=False).encode(),
        headers={"content-type": "text/csv"},
    )
    for name, row in zip(sent, found.json()["predictions"], strict=True):
        cohort, shares = wanted[name, "salary"]
        assert row["cohort"] == cohort
        np.testing.assert_allclose([row[each] for each in shares], [*shares.values()], **SAME)


def test_what_was_served_is_logged_with_its_version(served: Served) -> None:
    _, world, service, client = served
    service.log.rows.clear()
    (one,) = sent_vacancies(world, 1).values()
    answer = client.post(f"/v1/vacancies/predict?pipeline={world.name}", json={"vacancies": [one]}).json()
    assert {(row.model_name, row.model_version) for row in service.log.rows} == {
        (each["name"], each["version"]) for each in answer["models"].values()
    }
