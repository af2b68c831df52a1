"""Examinations of MLflow, Airflow and the prediction service, over HTTP."""

from collections.abc import Mapping
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
        client = _Client("MLflow", settings.mlflow_uri, sign_in("MLFLOW_TRACKING"), session)
        search = ("POST", "/api/2.0/mlflow/experiments/search", {"max_results": 1})
        _decoded(client, client.send(*search))
        version = client.send("GET", "/version").text.strip()
        taken = timed(lambda: client.send(*search))
    return Seen(f"MLflow {version}", taken, {"signed in": f"as {settings.mlflow_username}"})


def examine_airflow(settings: AirflowSettings) -> Seen:
    """Ask for the health of every component and, where a user is set, sign in."""
    with requests.Session() as session:
        client = _Client("Airflow", settings.url, sign_in("AIRFLOW"), session)
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


def examine_serving(settings: Settings) -> Seen:
    """Ask whether the service lives and is ready and, where a key is set, which versions answer."""
    with requests.Session() as session:
        client = _Client("The prediction service", settings.serving_url, "XFLOW_SERVING_KEY", session)
        _decoded(client, client.send("GET", "/health/live"))
        ready = _decoded(client, client.send("GET", "/health/ready", also=503))
        version = _decoded(client, client.send("GET", "/openapi.json")).get("info", {}).get("version", "")
        details = {"in service": _listed(ready.get("models", {})), "key": "not tried: XFLOW_SERVING_KEY is not set"}
        troubles = waits(ready)
        if settings.serving_key:
            session.headers["Authorization"] = f"Bearer {settings.serving_key}"
            states = _decoded(client, client.send("GET", "/v1/models")).get("models", [])
            details["key"] = "accepted"
            troubles += refusals(states)
        taken = timed(lambda: client.send("GET", "/health/live"))
    return Seen(f"xFlow {version}", taken, details, "; ".join(troubles))


def waits(ready: Json) -> list[str]:
    """Return what a service that is not ready waits for, as a sentence."""
    waiting = ", ".join(ready.get("waiting_for", []))
    return [f"not ready yet, it waits for {waiting}: see ./start.sh logs serving"] if waiting else []


def refusals(states: list[Json]) -> list[str]:
    """Return why versions that were to answer do not, a line a model."""
    last = {each["name"]: each.get("last") or {} for each in states}
    return [
        f"{name} version {each['version'] or 'of the champion'} {each['outcome']}: {each['reason']}"
        for name, each in last.items()
        if each.get("outcome") in {"refused", "failed"}
    ]


def _listed(models: Mapping[str, str]) -> str:
    return ", ".join(f"{name} version {version}" for name, version in models.items()) or "no model yet"


def sign_in(prefix: str) -> str:
    """Return the names of the variables that hold a user and its password."""
    return f"{prefix}_USERNAME and {prefix}_PASSWORD"


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

    def __init__(self, name: str, url: str, credentials: str, session: requests.Session) -> None:
        self._url, self._credentials, self._session = url.rstrip("/"), credentials, session
        self.where = f"{name} at {address_of(url)}"

    def send(self, method: str, path: str, body: Json | None = None, also: int = 200) -> requests.Response:
        """Send one request; return its answer when that is none of an error, or has the status `also`."""
        try:
            answer = self._session.request(method, self._url + path, json=body, timeout=ANSWER_SECONDS)
        except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema):
            raise ConfigInvalid(f"{self.where}: no such address. Write http://host:port") from None
        except requests.RequestException as error:
            reason = f"{path}: no answer ({_cause(error)}). Is it running? See ./start.sh status."
            raise ServiceUnavailable(f"{self.where}, {reason}") from error
        if answer.status_code == also:
            return answer
        said = f"{self.where}, {path}: {answer.status_code} {' '.join(answer.text[:200].split())}"
        if answer.status_code in (401, 403):
            raise AccessDenied(f"{said}. Check {self._credentials}.")
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
