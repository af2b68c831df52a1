"""What the load measurements ask the prediction service, and the bare model calls that answer the same."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import requests

from xflow.adapters.greenplum_server import connect
from xflow.adapters.mlflow_model import forecast_frame
from xflow.adapters.mlflow_registry import MlflowRegistry
from xflow.adapters.s3 import S3Store
from xflow.domain.panel import Panel
from xflow.domain.vacancies.features import text_frame
from xflow.domain.vacancies.text import clean
from xflow.environments import environment
from xflow.pipeline import load
from xflow.settings import Settings, pipelines_folder

SERIES, VACANCIES = "tourism_monthly", "vacancies"
MEMORY = "process_resident_memory_bytes"


@dataclass
class Endpoint:
    """One way to ask, and the bare call that answers the same."""

    name: str
    path: str
    bodies: list[str]
    bare: Callable[[int], object]


class World:
    """The demo's champions and inputs, and the service in front of them."""

    def __init__(self, settings: Settings, url: str, key: str) -> None:
        self.settings, self.url, self.key = settings, url, key
        s = settings
        stage = environment(s.environment)
        self.registry = MlflowRegistry(s.mlflow_uri, s.mlflow_username, s.mlflow_password, stage)
        self.vacancies = self._vacancies()
        self.series = self._series()

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Ask the service."""
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = requests.request(method, self.url + path, json=body, headers=headers, timeout=120)
        if not answer.ok:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        found: dict[str, Any] = answer.json()
        return found

    def memory(self) -> float:
        """Return the resident memory of the service's process, MiB."""
        headers = {"Authorization": f"Bearer {self.key}"}
        text = requests.get(f"{self.url}/metrics", headers=headers, timeout=30).text
        line = next(line for line in text.splitlines() if line.startswith(MEMORY))
        return float(line.split()[1]) / 2**20

    def served(self, name: str) -> Any:
        """Return the model that the service answers with."""
        version = self.call("GET", f"/v1/models/{name}")["version"]
        if version is None:
            raise RuntimeError(f"{name} is not in service: run ./start.sh demo first")
        return self.registry.load(self.registry.version(name, version))

    def _vacancies(self) -> list[dict[str, Any]]:
        s = self.settings
        store = S3Store(s.s3_endpoint, s.s3_bucket, s.s3_access_key, s.s3_secret_key)
        newest = store.list(load(pipelines_folder() / f"{VACANCIES}.yaml").input.predict)[-1]
        frame = pd.read_parquet(io.BytesIO(store.get(newest))).head(500)
        rows = zip(frame["vacancy_id"], frame["responsibility"], strict=True)
        return [{"id": str(name), "responsibility": text} for name, text in rows if text and clean(text)]

    def _series(self) -> dict[str, pd.DataFrame]:
        """Return the last accepted history of some series."""
        query = """select series_id, "timestamp", value from mart.tourism_monthly_input where run_key =
            (select run_key from mart.run where pipeline = 'tourism_monthly' and kind = 'train' and state = 'success'
             order by started_at desc limit 1) order by 1, 2"""
        with connect(self.settings.greenplum_dsn) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            frame = pd.DataFrame(cursor.fetchall(), columns=["series_id", "timestamp", "value"])
        frame["value"] = frame["value"].astype(float)
        return {str(name): part for name, part in list(frame.groupby("series_id"))[:200]}

    def endpoints(self) -> list[Endpoint]:
        """Return what is asked, one vacancy or series a request unless it says otherwise."""
        cohorts = [self.served(f"{VACANCIES}_{target}") for target in ("salary", "demand")]
        forecaster = self.served(SERIES)
        ids, rows, horizon = list(self.series), self.vacancies, forecaster.horizon

        def bare_rows(at: int, many: int) -> object:
            frame = pd.DataFrame([rows[(at + i) % len(rows)] for i in range(many)])
            return [model.probabilities(text_frame(frame, model.texts, model.categories)) for model in cohorts]

        def bare_series(at: int) -> object:
            return forecast_frame(forecaster, Panel.from_frame(self.series[ids[at % len(ids)]], "M"), horizon)

        def bare_salary(at: int) -> object:
            frame = pd.DataFrame([rows[at % len(rows)]])
            return cohorts[0].probabilities(text_frame(frame, cohorts[0].texts, cohorts[0].categories))

        def batch(at: int) -> list[dict[str, Any]]:
            return [rows[(at + i) % len(rows)] for i in range(100)]

        predict, forecast = f"/v1/vacancies/predict?pipeline={VACANCIES}", f"/v1/series/{SERIES}/forecast"
        return [
            Endpoint(
                "one vacancy", predict, texts([{"vacancies": [row]} for row in rows]), lambda at: bare_rows(at, 1)
            ),
            Endpoint(
                "one series", forecast, texts([{"series_ids": [i], "horizon": horizon} for i in ids]), bare_series
            ),
            Endpoint(
                "100 vacancies",
                predict,
                texts([{"vacancies": batch(at)} for at in range(0, 400, 50)]),
                lambda at: bare_rows(50 * at, 100),
            ),
            Endpoint(
                "one vacancy, salary alone, /invocations",
                f"/models/{VACANCIES}_salary/invocations",
                texts([{"dataframe_records": [{"responsibility": row["responsibility"]}]} for row in rows]),
                bare_salary,
            ),
        ]


def texts(bodies: list[dict[str, Any]]) -> list[str]:
    """Return bodies as they are sent."""
    return [json.dumps(body, ensure_ascii=False) for body in bodies]
