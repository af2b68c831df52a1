"""Metrics: what is counted, under labels whose number is bounded."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from xflow.refs import ModelVersionRef
from xflow.serving.metrics import Metrics
from xflow.serving.prediction_log import PredictionLog
from xflow.serving.served import ServedModels


@pytest.fixture
def models() -> ServedModels:
    return ServedModels()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[PredictionLog]:
    made = PredictionLog(SimpleNamespace(), tmp_path, most_rows=5)  # type: ignore[arg-type]  # it writes nothing
    yield made
    made.stop()


@pytest.fixture
def metrics(models: ServedModels, log: PredictionLog) -> Metrics:
    return Metrics(models, log)


def figures(metrics: Metrics) -> dict[str, float]:
    """Return the samples that a scrape finds, by name and labels."""
    found = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def version(name: str, number: str) -> Any:
    ref = ModelVersionRef.model_construct(name=name, version=number)
    return SimpleNamespace(version=ref)


def test_requests_are_counted_and_timed(metrics: Metrics) -> None:
    metrics.observe("POST", "/v1/vacancies/predict", 200, 0.004)
    metrics.observe("POST", "/v1/vacancies/predict", 422, 0.3)
    found = figures(metrics)
    route = "route=/v1/vacancies/predict"
    assert found[f"xflow_http_requests_total{{method=POST,{route},status=200}}"] == 1
    assert found[f"xflow_http_requests_total{{method=POST,{route},status=422}}"] == 1
    assert found[f"xflow_http_request_seconds_bucket{{le=0.005,{route}}}"] == 1
    assert found[f"xflow_http_request_seconds_count{{{route}}}"] == 2
    assert found[f"xflow_http_request_seconds_sum{{{route}}}"] == pytest.approx(0.304)


def test_what_callers_make_up_adds_no_series(metrics: Metrics) -> None:
    for i in range(50):
        metrics.observe(f"MADE{i}", "other", 405, 0.001)
    assert figures(metrics)["xflow_http_requests_total{method=other,route=other,status=405}"] == 50


def test_predictions_and_deployments_are_counted_by_model(metrics: Metrics) -> None:
    metrics.predicted("vacancies_salary", "7", 3, 0.02)
    metrics.predicted("vacancies_salary", "8", 2, 0.02)
    metrics.deployed("vacancies_salary", "refused")
    found = figures(metrics)
    assert found["xflow_predictions_total{model=vacancies_salary,version=7}"] == 3
    assert found["xflow_predictions_total{model=vacancies_salary,version=8}"] == 2
    assert found["xflow_model_seconds_count{model=vacancies_salary}"] == 2
    assert found["xflow_deployments_total{model=vacancies_salary,outcome=refused}"] == 1


def test_the_version_in_service_is_the_one_that_is_shown(metrics: Metrics, models: ServedModels) -> None:
    models.swap(version("m", "1"))
    models.swap(version("m", "2"))
    shown = {name: value for name, value in figures(metrics).items() if name.startswith("xflow_model_info")}
    assert shown == {"xflow_model_info{model=m,version=2}": 1}


def test_the_log_and_the_process_are_shown(metrics: Metrics, log: PredictionLog) -> None:
    log.put([SimpleNamespace(bounded=SimpleNamespace)] * 7)  # type: ignore[list-item]  # nothing looks at the rows
    found = figures(metrics)
    assert (found["xflow_log_queue_rows{}"], found["xflow_log_shed_total{}"]) == (5, 2)
    assert (found["xflow_log_written_total{}"], found["xflow_log_aside_total{}"]) == (0, 0)
    assert found["process_resident_memory_bytes{}"] > 1_000_000
    log._queue.clear()
