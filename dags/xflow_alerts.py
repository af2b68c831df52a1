"""Tell people what happened to a run: once a run, with the reason and the pages to look at.

Failures are told by the process of the task that failed, which knows why; Airflow's DAG processor tells those of
tasks that were killed, and the success of runs. A task tells the rest by `tell`. Nothing here raises.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import quote

from airflow.sdk import Connection, get_current_context
from airflow.sdk.configuration import conf
from airflow.sdk.log import redact

from xflow.alerts import send
from xflow.domain.alert import Alert, AlertEvent, pages
from xflow.errors import DeadlineMissed, DriftStop, XflowError
from xflow.pipeline import AnyPipeline
from xflow.pipeline_base import AlertPolicy
from xflow.settings import environment_name

log = logging.getLogger("xflow")

KILLED = "its process ended without a word: it was killed, ran out of memory, or lost contact with Airflow"


def tell(pipeline: AnyPipeline, event: AlertEvent, reason: str, links: Mapping[str, str] | None = None) -> None:
    """Tell people of an event from within a task, as the last thing that it does; never raises.

    Parameters
    ----------
    reason
        Why, in a sentence or two.
    links
        Addresses to look at, by what they show; see `xflow.domain.alert.pages`. The page of the run is added.
    """
    page = ""
    with suppress(RuntimeError):  # outside a run
        page = _page_of(get_current_context())
    _send(pipeline.name, pipeline.alerts, event, reason, {**(links or {}), "run": page})


def tell_of(pipeline: AnyPipeline, event: AlertEvent, reason: str, dag_id: str, run_id: str) -> None:
    """Tell people of an event of a run from outside its tasks; see `tell`."""
    _send(pipeline.name, pipeline.alerts, event, reason, {"run": _run_page(dag_id, run_id)})


def failure_callback(pipeline: AnyPipeline) -> Callable[[Any], None]:
    """Return what a task calls when it has failed for good."""
    return partial(_failed, pipeline.name, pipeline.alerts)


def success_callback(pipeline: AnyPipeline) -> Callable[[Any], None] | None:
    """Return what a DAG calls when its run succeeded; None where nobody wants to know."""
    return partial(_succeeded, pipeline.name, pipeline.alerts) if "success" in pipeline.alerts.events else None


def _failed(name: str, policy: AlertPolicy, context: Any) -> None:
    task = context["ti"]
    states = _states(task)
    own = task.task_id if (task.map_index or 0) < 0 else f"{task.task_id}_{task.map_index}"
    if any(state == "failed" for each, state in states.items() if each != own):
        log.info("no alert: this run's first failure was told already")
        return
    error = context.get("exception")
    event: AlertEvent = "failure"
    for kind, special in ((DriftStop, "drift"), (DeadlineMissed, "deadline")):
        if isinstance(error, kind) and special in policy.events:
            event = special
    links = {"task": task.log_url, "run": _page_of(context)}
    _send(name, policy, event, f"{context['dag'].dag_id}, {own}: {_said(error)}", links)


def _succeeded(name: str, policy: AlertPolicy, context: Any) -> None:
    states = list(_states(context["ti"]).values()) if "ti" in context else []
    done = states.count("success")
    if states and not done:
        return  # nothing was to be done
    counted = f": {done} tasks, and {states.count('skipped')} skipped" if states else ""
    _send(name, policy, "success", f"{context['dag'].dag_id}{counted}", {"run": _page_of(context)})


def _states(task: Any) -> dict[str, Any]:
    """Return the states of a run's tasks by id, with the map index; empty where Airflow does not say."""
    try:
        found = task.get_task_states(dag_id=task.dag_id, run_ids=[task.run_id])
    except Exception as error:  # noqa: BLE001  # the alert itself matters more
        log.warning("the states of the run's tasks are not known: %s", type(error).__name__)
        return {}
    return dict(found.get(task.run_id) or {})


def _said(error: object) -> str:
    if error is None:
        return KILLED
    return str(error) if isinstance(error, XflowError) else f"{type(error).__name__}: {error}"


def _send(name: str, policy: AlertPolicy, event: AlertEvent, reason: str, links: Mapping[str, str]) -> None:
    """Send an alert through the addresses of Airflow's connection; whatever goes wrong is logged."""
    if event not in policy.events:
        return
    try:
        from xflow_alerting import AlertHook

        from xflow.adapters.alerts import AppriseNotifier

        addresses = AlertHook().addresses()
        if not addresses:
            log.info("no alert of this %s: XFLOW_ALERTS in .env, or connection xflow_alerts, names no address", event)
            return
        alert = Alert(event, name, str(redact(reason)), pages(links, _mlflow_page()), environment_name())
        send(AppriseNotifier(addresses), policy, alert)
    except Exception as error:  # noqa: BLE001  # an alert must not fail what it tells of; its text may hold an address
        log.warning("the alert of this %s could not be sent: %s", event, type(error).__name__)


def _page_of(context: Any) -> str:
    return _run_page(context["dag"].dag_id, context["run_id"])


def _run_page(dag_id: str, run_id: str) -> str:
    base = conf.get("api", "base_url", fallback="").rstrip("/")
    return f"{base}/dags/{dag_id}/runs/{quote(run_id)}" if base else ""


def _mlflow_page() -> str:
    """Return MLflow's address as a browser reaches it: that of its connection where that names no page."""
    mlflow = Connection.get("xflow_mlflow")
    return mlflow.extra_dejson.get("page") or f"{mlflow.schema or 'http'}://{mlflow.host}:{mlflow.port}"
