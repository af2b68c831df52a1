"""What a Prometheus server reads about the service."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fastapi import APIRouter, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client import generate_latest as rendered
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from xflow.serving.access import MayPredict
from xflow.serving.problems import problem_responses
from xflow.serving.served import ServedModels
from xflow.serving.service import Services

if TYPE_CHECKING:
    from xflow.serving.prediction_log import PredictionLog

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
router = APIRouter(tags=["health"])


class Metrics:
    """Counters of the service, in a registry of its own.

    Parameters
    ----------
    models, log
        Asked at every scrape: which versions answer, and what waits for the mart.
    """

    def __init__(self, models: ServedModels, log: "PredictionLog") -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the text
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(_Parts(models, log))
        self._requests = Counter(
            "xflow_http_requests", "Requests answered", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "xflow_http_request_seconds", "Seconds of a request", ["route"], buckets=SECONDS, registry=registry
        )
        self._model_seconds = Histogram(
            "xflow_model_seconds", "Seconds of a model's call", ["model"], buckets=SECONDS, registry=registry
        )
        self._predictions = Counter(
            "xflow_predictions", "Vacancies or series predicted", ["model", "version"], registry=registry
        )
        self._deployments = Counter(
            "xflow_deployments", "Versions that were to come into service", ["model", "outcome"], registry=registry
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request.

        Parameters
        ----------
        route
            Its template, as ``/v1/keys/{name}``: a path as it was sent would make a series each.
        """
        known = method if method in METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def predicted(self, model: str, version: str, rows: int, seconds: float) -> None:
        """Count a model's call: `rows` vacancies or series in `seconds`."""
        self._predictions.labels(model, version).inc(rows)
        self._model_seconds.labels(model).observe(seconds)

    def deployed(self, model: str, outcome: str) -> None:
        """Count a deployment: ``deployed``, ``unchanged``, ``refused`` or ``failed``."""
        self._deployments.labels(model, outcome).inc()

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return rendered(self._registry)


class _Parts(Collector):
    """Figures that are looked up when they are asked for."""

    def __init__(self, models: ServedModels, log: "PredictionLog") -> None:
        self._models, self._log = models, log

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        info = GaugeMetricFamily("xflow_model_info", "Versions in service", labels=["model", "version"])
        for each in self._models.all():
            info.add_metric([each.version.name, each.version.version], 1)
        yield info
        log = self._log
        yield GaugeMetricFamily("xflow_log_queue_rows", "Served predictions that wait for the mart", log.waiting)
        for name, told, rows in (
            ("written", "Served predictions in the mart", log.written),
            ("shed", "Served predictions that were dropped, as too many waited", log.shed),
            ("aside", "Served predictions that the mart cannot take, kept in a file", log.aside),
        ):
            yield CounterMetricFamily(f"xflow_log_{name}", told, rows)


@router.get("/metrics", response_class=Response, responses=problem_responses(401, 403))
def metrics(service: Services, caller: MayPredict) -> Response:  # noqa: ARG001  # it guards
    """Return counters and timings in Prometheus' text format."""
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)
