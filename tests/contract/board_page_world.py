"""A service whose mart has a little of everything that the board's page shows."""

import contextlib
import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from math import pi, sin
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import uvicorn
import yaml
from board_world import decide, note, sample
from mart_rows import select
from realised_world import World

from xflow.adapters.served_predictions import GreenplumServedPredictions
from xflow.adapters.vacancy_history import GreenplumHistory
from xflow.pipeline import load_all
from xflow.schema import SERVED_SCHEMA
from xflow.serving.app import create_app
from xflow.serving.server import made_service
from xflow.settings import ServingSettings, Settings

PASSWORD = "open sesame"
ROLES = {"96": "Программист, разработчик", "10": "Аналитик"}
AREAS = {"1": "Москва", "2": "Санкт-Петербург"}
COHORTS = {
    "salary": ("not stated", "below 100k", "100k-150k", "150k and more"),
    "demand": ("below 10 days", "10 days and more"),
}
DAYS = 40


@dataclass(frozen=True)
class Page:
    """Where the page is, and the names of its pipelines."""

    url: str
    series: str
    vacancies: str
    untrained: str


@contextlib.contextmanager
def served(settings: ServingSettings, pipelines: Path) -> Iterator[str]:
    """Run a service in this process; yield its address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XFLOW_PIPELINES", str(pipelines))
        service = made_service(settings)
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        app = create_app(service)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.02)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()
            service.board.answers.close()


def settings_of(stores: Settings, home: Path, dsn: str = "") -> ServingSettings:
    return ServingSettings(
        host="127.0.0.1",
        port=0,
        home=home,
        greenplum_dsn=dsn or stores.greenplum_dsn,
        tarantool_uri=stores.tarantool_uri,
        mlflow_uri="http://127.0.0.1:9",
        mlflow_username="",
        mlflow_password="",
        key_sha256=sha256(b"key").hexdigest(),
        board_password_sha256=sha256(PASSWORD.encode()).hexdigest(),
        airflow_page="http://airflow.test/",
        mlflow_page="http://mlflow.test/",
    )


def write_pipelines(folder: Path) -> Page:
    """Write the files of three pipelines: of series, of vacancies, and one that has never run."""
    name = f"t_{uuid.uuid4().hex[:8]}"
    places = {"train": "a/", "predict": "b/"}
    candidates = [{"name": "seasonal_naive", "kind": "seasonal_naive"}]
    model = {"seasonality": 12, "horizon": 12, "metric": "mase", "levels": [0.8, 0.95], "candidates": candidates}
    series = {"input": places, "contract": {"frequency": "M"}, "model": model, "monitor": {"min_count": 1}}
    cohorts = {"salary": {"boundaries": [100_000, 150_000]}, "demand": {"boundaries": [10], "measure": "lifetime"}}
    vacancies = {
        "kind": "vacancies",
        "input": places,
        "model": {**cohorts, "candidates": [{"name": "majority", "kind": "majority"}]},
    }
    documents = {
        f"{name}_series": series | {"description": "Made-up series."},
        f"{name}_jobs": vacancies | {"description": "Made-up vacancies."},
        f"{name}_new": series | {"description": "Nobody has trained it."},
    }
    for each, document in documents.items():
        (folder / f"{each}.yaml").write_text(yaml.safe_dump({"pipeline": each} | document), encoding="utf-8")
    return Page("", f"{name}_series", f"{name}_jobs", f"{name}_new")


def fill(stores: Settings, pipelines: Path, page: Page) -> None:
    """Write what the pipelines would have written."""
    known = {each.name: each for each in load_all(pipelines)}
    fill_series(World(stores, known[page.series]))
    fill_vacancies(World(stores, known[page.vacancies]))


def month(number: int) -> datetime:
    return datetime(2020 + number // 12, number % 12 + 1, 1)


def level(series: int, number: int) -> float:
    return 1000 * (series + 1) * (1 + 0.005 * number + 0.3 * sin(number / 12 * 2 * pi))


def fill_series(world: World) -> None:
    """Two predictions of three series, of which the first came true; a champion, a version that did not win."""
    metrics = {"holdout_mase": 0.8, "holdout_mase_floor": 1.0, "holdout_coverage_80": 0.79, "holdout_smape": 12.0}
    world.version(mase=0.8, mase_floor=1.0, coverage_80=0.8)
    facts = {"model_name": world.pipeline.name, "as_of": "2023-12-01T00:00:00"}
    world.run("train", "one", model_version="1", metrics=json.dumps(metrics), **facts)
    for run_id, origin in (("first", 47), ("second", 59)):
        names = [(f"S{i}", i) for i in range(3)]
        rows = [
            {"series_id": name, "timestamp": month(n), "value": level(i, n) + 20 * (n % 5)}
            for name, i in names
            for n in range(origin + 1)
        ]
        made = [point(name, i, origin, step) for name, i in names for step in range(1, 13)]
        world.run(
            "predict",
            run_id,
            rows,
            made,
            drift="ok",
            **(facts | {"as_of": month(origin).isoformat()}),
            model_version="1",
        )
    world.run("predict", "stopped", drift="stop")
    note(world, "predict", "stopped", state="failed", message="2 of 4 columns have drifted")
    world.look()
    at = datetime(2030, 1, 1)
    decide(
        world, "one", at, outcome="promoted", version="1", champion_after="1", challenger_score=0.8, decided_by="policy"
    )
    compared = {"champion_score": 0.8, "challenger_score": 0.79, "difference": -0.01, "lower": -0.03, "upper": 0.01}
    decide(
        world, "two", at + timedelta(days=1), outcome="kept", version="2", champion_before="1", champion_after="1",
        units=3, confidence=0.95, decided_by="policy", **compared,
    )  # fmt: skip


def point(name: str, series: int, origin: int, step: int) -> dict[str, Any]:
    value, half = level(series, origin + step), 40.0 + 4 * step
    bounds = {"lower_80": value - half, "upper_80": value + half}
    bounds |= {"lower_95": value - 1.6 * half, "upper_95": value + 1.6 * half}
    row = series * (origin + 1) + origin
    keys = {"series_id": name, "timestamp": month(origin + step), "step": step, "forecast": value}
    return keys | bounds | {"model_name": "m", "model_version": "1", "input_row_id": row}


def fill_vacancies(world: World) -> None:
    """Predictions of forty vacancies, forty days of the market, and requests of the last hours."""
    groups = [(role, area) for role in ROLES for area in AREAS]
    rows = [
        {
            "vacancy_id": str(i), "snapshot_at": datetime(2026, 10, 1), "responsibility": "писать код",
            "professional_role_id": role, "professional_role": ROLES[role], "area_id": area, "area_name": AREAS[area],
            "published_at": datetime(2026, 9, 20), "employer_id": "e",
        }
        for i, (role, area) in enumerate(groups * 10)
    ]  # fmt: skip
    names = {target: world.pipeline.model_name(target) for target in COHORTS}
    made = [chances(i, target, names[target]) for i in range(len(rows)) for target in COHORTS]
    models = {"model_name": ", ".join(names.values()), "model_version": "1, 1"}
    metrics = {
        f"{target}_holdout_log_loss{end}": value for target in COHORTS for end, value in (("", 0.9), ("_floor", 1.2))
    }
    world.run("train", "one", metrics=json.dumps(metrics), **models)
    world.run("predict", "one", rows, made, as_of="2026-10-01T00:00:00", **models)
    for target in COHORTS:
        decide(
            world,
            "one",
            datetime(2030, 1, 1),
            target,
            outcome="promoted",
            version="1",
            champion_after="1",
            decided_by="policy",
        )
    fill_market(world, groups)
    fill_requests(world, names["salary"])


def chances(row: int, target: str, model: str) -> dict[str, Any]:
    cohorts = COHORTS[target]
    weights = [1 + (row + i) % 3 for i in range(len(cohorts))]
    shares = {name: weight / sum(weights) for name, weight in zip(cohorts, weights)}
    best = max(shares, key=lambda each: shares[each])
    return {
        "vacancy_id": str(row), "target": target, "cohort": best, "probability": shares[best],
        "probabilities": json.dumps(shares), "model_name": model, "model_version": "1", "input_row_id": row,
    }  # fmt: skip


def fill_market(world: World, groups: list[tuple[str, str]]) -> None:
    GreenplumHistory(world.stores.greenplum_dsn, world.pipeline.name).prepare()
    select(
        world.stores,
        f"INSERT INTO mart.{world.pipeline.name}_market "
        "SELECT timestamp '2026-09-01' + n * interval '1 day', role, area, 'x', 's' || n, 50 * at + n, 20, "
        "100000 + 1000 * at + 100 * n FROM generate_series(0, %s) n "
        "CROSS JOIN unnest(%s::text[], %s::text[]) WITH ORDINALITY AS g (role, area, at)",
        DAYS - 1, *map(list, zip(*groups)),
    )  # fmt: skip
    sample(world)


def fill_requests(world: World, model: str) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    same = {
        "request_row": 0, "pipeline": world.pipeline.name, "target": "salary", "model_name": model,
        "model_version": "1", "endpoint": "/v1/vacancies/predict", "caller": "a", "entity_id": "1", "input": "{}",
        "output": "{}", "seconds": 0.02,
    }  # fmt: skip
    rows = [same | {"served_at": now - timedelta(hours=i), "request_id": f"r{i}"} for i in range(6)]
    batch = pa.RecordBatch.from_pylist(rows, SERVED_SCHEMA)
    GreenplumServedPredictions(world.stores.greenplum_dsn).write(uuid.uuid4().hex, batch, again=False)
