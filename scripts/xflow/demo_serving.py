"""The demo's last part: what the training promoted comes into service, and is asked one question over REST."""

import json
import os
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich.console import Console

from xflow.airflow_rest import AirflowRest
from xflow.demo_results import champion_version
from xflow.pipeline import load
from xflow.serving_rest import ServingRest
from xflow.settings import Settings, pipelines_folder

PATH = "/v1/vacancies/predict"
VACANCY = {
    "id": "1",
    "responsibility": "Проектировать и развивать сервисы на Python, проводить код-ревью",
    "name": "Старший разработчик Python",
    "area_id": "1",
    "professional_role_id": "96",
    "experience_id": "between3And6",
}


def service(settings: Settings) -> ServingRest:
    """Return a client of the prediction service."""
    return ServingRest(settings.serving_url, settings.serving_key)


def page(settings: Settings) -> str:
    """Return the address of the board in a browser outside."""
    return os.environ.get("XFLOW_SERVING_PAGE") or settings.serving_url


def answering(settings: Settings, pipeline: str) -> dict[str, str]:
    """Return the versions of a pipeline's models that answer, by model."""
    states = service(settings).call("GET", "/v1/models")["models"]
    return {each["name"]: each["version"] for each in states if each["pipeline"] == pipeline and each["version"]}


def champions_answer(settings: Settings, pipeline: str) -> bool:
    """Tell whether the service answers with the champion of every model."""
    loaded = load(pipelines_folder() / f"{pipeline}.yaml")
    names = [loaded.model_name(target) for target in loaded.targets]
    return answering(settings, pipeline) == {name: champion_version(settings, name) for name in names}


def deployments(rest: AirflowRest, dag_id: str, since: datetime) -> Iterator[str]:
    """Yield the ids of the runs that began since then, oldest first."""
    query = f"run_after_gte={since:%Y-%m-%dT%H:%M:%SZ}&order_by=run_after&limit=100"
    for run in rest.call("GET", f"/dags/{dag_id}/dagRuns?{query}")["dag_runs"]:
        yield run["dag_run_id"]


def ask(settings: Settings, console: Console) -> None:
    """Ask for the cohorts of one vacancy, and print the question as a command, and the answer."""
    body: dict[str, Any] = {"vacancies": [VACANCY]}
    answer = service(settings).call("POST", PATH, body)
    console.print("[bold]One vacancy, asked over REST[/] (XFLOW_SERVING_KEY is in .env)")
    text = json.dumps(body, ensure_ascii=False)
    headers = "-H 'Content-Type: application/json' -H \"Authorization: Bearer $XFLOW_SERVING_KEY\""
    console.print(f"curl -s {page(settings)}{PATH} {headers} -d '{text}'", markup=False, highlight=False)
    console.print(json.dumps(answer, ensure_ascii=False, indent=2), markup=False, highlight=False)
