"""Examinations of MLflow and Airflow, over HTTP."""

from datetime import UTC, datetime
from typing import Any

import requests

from xflow.doctor_probe import ANSWER_SECONDS, Seen, address_of, timed
from xflow.errors import AccessDenied, ConfigInvalid, ServiceUnavailable
from xflow.settings import AirflowSettings, Settings

Json = dict[str, Any]


def examine_mlflow(settings: Settings) -> Seen:
    """Sign in and search the experiments."""
    with requests.Session() as session:
        session.auth = (settings.mlflow_username, settings.mlflow_password)
        client = _Client("MLflow", settings.mlflow_uri, "MLFLOW_TRACKING", session)
        search = ("POST", "/api/2.0/mlflow/experiments/search", {"max_results": 1})
        _decoded(client, client.send(*search))
        version = client.send("GET", "/version").text.strip()
        taken = timed(lambda: client.send(*search))
    return Seen(f"MLflow {version}", taken, {"signed in": f"as {settings.mlflow_username}"})


def examine_airflow(settings: AirflowSettings) -> Seen:
    """Ask for the health of every component and, where a user is set, sign in."""
    with requests.Session() as session:
        client = _Client("Airflow", settings.url, "AIRFLOW", session)
        version = _decoded(client, client.send("GET", "/api/v2/version")).get("version", "")
        health = _decoded(client, client.send("GET", "/api/v2/monitor/health"))
        signed_in = "not tried: AIRFLOW_USERNAME and AIRFLOW_PASSWORD are not set"
        if settings.username and settings.password:
            body = {"username": settings.username, "password": settings.password}
            client.send("POST", "/auth/token", body)
            signed_in = f"as {settings.username}"
        taken = timed(lambda: client.send("GET", "/api/v2/version"))
    components = heartbeats(health, datetime.now(UTC))
    ailing = [f"{name} {text}" for name, text in components.items() if not text.startswith("healthy")]
    trouble = f"{'; '.join(ailing)}. See ./start.sh status, and the log of each." if ailing else ""
    return Seen(f"Airflow {version}", taken, {**components, "signed in": signed_in}, trouble)


def heartbeats(health: Json, now: datetime) -> dict[str, str]:
    """Return what ``monitor/health`` says of each component, with the age of its heartbeat."""
    told = {}
    for name, facts in health.items():
        state, beat = facts.get("status") or "never started", facts.get(f"latest_{name}_heartbeat")
        age = f", heartbeat {(now - datetime.fromisoformat(beat)).total_seconds():.0f} s ago" if beat else ""
        told[name] = f"{state}{age}"
    return told


class _Client:
    """Sends requests to one server and says in our words what went wrong."""

    def __init__(self, name: str, url: str, variables: str, session: requests.Session) -> None:
        self._url, self._variables, self._session = url.rstrip("/"), variables, session
        self.where = f"{name} at {address_of(url)}"

    def send(self, method: str, path: str, body: Json | None = None) -> requests.Response:
        """Send one request; return its answer when that is none of an error."""
        try:
            answer = self._session.request(method, self._url + path, json=body, timeout=ANSWER_SECONDS)
        except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema):
            raise ConfigInvalid(f"{self.where}: no such address. Write http://host:port") from None
        except requests.RequestException as error:
            reason = f"{path}: no answer ({_cause(error)}). Is it running? See ./start.sh status."
            raise ServiceUnavailable(f"{self.where}, {reason}") from error
        said = f"{self.where}, {path}: {answer.status_code} {' '.join(answer.text[:200].split())}"
        if answer.status_code in (401, 403):
            raise AccessDenied(f"{said}. Check {self._variables}_USERNAME and {self._variables}_PASSWORD.")
        if answer.status_code >= 500 or answer.status_code == 429:
            raise ServiceUnavailable(f"{said}. See the server's log.")
        if not answer.ok:
            raise ConfigInvalid(f"{said}. Is this address the right one?")
        return answer


def _decoded(client: _Client, answer: requests.Response) -> Json:
    try:
        found = answer.json()
    except requests.exceptions.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise ConfigInvalid(f"{client.where} answers, but not as the server should. Is this address the right one?")
    return found


def _cause(error: requests.RequestException) -> str:
    """Return the innermost reason of an error; the outer ones repeat the URL."""
    inner: BaseException = error
    while inner.__cause__ or inner.__context__:
        inner = inner.__cause__ or inner.__context__ or inner
    return " ".join(str(inner).split()) or type(error).__name__
