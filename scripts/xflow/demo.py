"""The demo: both samples, taken in, trained on, predicted and deployed through Airflow's REST API, as by the web UI.

``./start.sh demo`` runs it after the stack is up, with the variables of ``.env`` in the environment. In a container
AIRFLOW_PAGE, MLFLOW_PAGE and XFLOW_SERVING_PAGE are the addresses that a browser outside uses.
"""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import Any, NoReturn

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from xflow.airflow_rest import AirflowRest, RestError
from xflow.demo_results import results
from xflow.demo_serving import answering, ask, champions_answer, deployments
from xflow.errors import XflowError
from xflow.settings import Settings

SERIES, VACANCIES = "tourism_monthly", "vacancies"
PARSE_SECONDS = 120
RUN_SECONDS = 1800
DEPLOY_SECONDS = 300
POLL_SECONDS = 1.0
LOG_LINES = 25
MARKS = {"success": "[green]✓[/]", "failed": "[red]✗[/]", "upstream_failed": "[red]✗[/]", "running": "[cyan]▶[/]"}
OVER = {"success", "failed"}

console = Console(soft_wrap=True)
if not console.is_terminal:
    console.width = 160  # a log has no edge to wrap at
Task = dict[str, Any]


def main(install_seconds: int = 0, start_seconds: int = 0) -> None:
    """Upload the samples, train, predict, deploy, and print what came out and how long each part took."""
    user, password = os.environ["AIRFLOW_USERNAME"], os.environ["AIRFLOW_PASSWORD"]
    rest = AirflowRest(os.environ["AIRFLOW_URL"], user, password, page=os.environ.get("AIRFLOW_PAGE", ""))
    run_id = f"demo__{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    settings = Settings.from_env()
    seconds = {"install": float(install_seconds), "start": float(start_seconds)}
    try:
        for pipeline in (SERIES, VACANCIES):
            seconds[f"{pipeline} sample"] = timed(upload_sample, pipeline)
            if pipeline == VACANCIES:
                # The sample is taken in, and nothing is asked of hh.ru.
                seconds[f"{pipeline} collect"] = timed(run_dag, rest, f"{pipeline}_collect", run_id, {"fetch": False})
                rest.call("PATCH", f"/dags/{pipeline}_collect", {"is_paused": True})
            began = datetime.now(UTC)
            switch_on(rest, f"{pipeline}_deploy")
            for kind in ("train", "predict"):
                seconds[f"{pipeline} {kind}"] = timed(run_dag, rest, f"{pipeline}_{kind}", run_id)
            seconds[f"{pipeline} deploy"] = timed(follow_deployment, rest, settings, pipeline, began)
    except (RestError, OSError, XflowError) as error:
        stop(f"{error}. ./start.sh status says what runs.")
    for pipeline in (SERIES, VACANCIES):
        mlflow = os.environ.get("MLFLOW_PAGE") or settings.mlflow_uri
        console.print(results(settings, rest.page, mlflow, pipeline, run_id, answering(settings, pipeline)))
    ask(settings, console)
    took = ", ".join(f"{part} {duration:.0f} s" for part, duration in seconds.items())
    console.print(f"It took: {took}; {sum(seconds.values()):.0f} s in all.", highlight=False)


def timed(action: Any, *arguments: Any) -> float:
    """Call an action and return how many seconds it took."""
    began = time.monotonic()
    action(*arguments)
    return time.monotonic() - began


def stop(message: str) -> NoReturn:
    """End the demo with a message and exit code 1."""
    Console(stderr=True).print(message, style="red", highlight=False, markup=False)
    raise typer.Exit(1)


def upload_sample(pipeline: str) -> None:
    """Write a sample to S3, as a person would."""
    console.print(f"[bold]xflow sample {pipeline}[/]")
    output = subprocess.DEVNULL if pipeline == VACANCIES else None  # a line for each of thirty days
    command = [sys.executable, "-m", "xflow.cli", "sample", pipeline]
    done = subprocess.run(command, check=False, stdout=output)  # noqa: S603
    if done.returncode:
        stop("The sample could not be uploaded: see above.")


def run_dag(rest: AirflowRest, dag_id: str, run_id: str, conf: dict[str, Any] | None = None) -> None:
    """Trigger a DAG, and watch its run."""
    switch_on(rest, dag_id)
    rest.call("POST", f"/dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "logical_date": None, "conf": conf or {}})
    watch(rest, dag_id, run_id)


def switch_on(rest: AirflowRest, dag_id: str) -> None:
    """Let a DAG run, when Airflow has parsed it."""
    await_dag(rest, dag_id)
    rest.call("PATCH", f"/dags/{dag_id}", {"is_paused": False})


def follow_deployment(rest: AirflowRest, settings: Settings, pipeline: str, since: datetime) -> None:
    """Show the runs that bring what was promoted since then into service, until the service answers with it."""
    dag_id, shown, deadline = f"{pipeline}_deploy", set[str](), time.monotonic() + DEPLOY_SECONDS
    while True:
        for run_id in deployments(rest, dag_id, since):
            if run_id not in shown:
                watch(rest, dag_id, run_id)
                shown.add(run_id)
        if champions_answer(settings, pipeline):
            return
        if time.monotonic() > deadline:
            stop(f"The champions of {pipeline} are not in service after {DEPLOY_SECONDS} s: {rest.page}/dags/{dag_id}")
        time.sleep(POLL_SECONDS)


def watch(rest: AirflowRest, dag_id: str, run_id: str) -> None:
    """Show the tasks of a run until it is over, and stop the demo when it failed."""
    console.print(f"[bold]{dag_id}[/]  {rest.page}/dags/{dag_id}/runs/{run_id}", highlight=False)
    state, tasks = follow(rest, f"/dags/{dag_id}/dagRuns/{run_id}")
    if state != "success":
        show_failures(rest, f"/dags/{dag_id}/dagRuns/{run_id}", tasks)
        stop(f"{dag_id} ended as {state}. The stack stays up: {rest.page}")


def await_dag(rest: AirflowRest, dag_id: str) -> None:
    """Wait until Airflow has parsed a DAG: after a fresh start that takes a few seconds."""
    deadline = time.monotonic() + PARSE_SECONDS
    while time.monotonic() < deadline:
        try:
            rest.call("GET", f"/dags/{dag_id}")
        except RestError as error:
            if error.status != 404:
                raise
            time.sleep(POLL_SECONDS)
        else:
            return
    errors = rest.call("GET", "/importErrors")["import_errors"]
    stop("\n".join([f"Airflow has no DAG {dag_id} after {PARSE_SECONDS} s.", *(e["stack_trace"] for e in errors)]))


def follow(rest: AirflowRest, path: str) -> tuple[str, list[Task]]:
    """Show the tasks of a run until it is over; return its state and its task instances."""
    deadline = time.monotonic() + RUN_SECONDS
    shown: dict[tuple[str, int], str] = {}
    with Live(console=console, refresh_per_second=4, transient=False) as live:
        while True:
            state = rest.call("GET", path)["state"]
            tasks = rest.call("GET", f"{path}/taskInstances?limit=1000")["task_instances"]
            if console.is_terminal:
                live.update(progress(tasks))
            else:
                report_changes(tasks, shown)
            if state in OVER:
                return state, tasks
            if time.monotonic() > deadline:
                stop(f"The run is still {state} after {RUN_SECONDS} s: {rest.page}")
            time.sleep(POLL_SECONDS)


def progress(tasks: list[Task]) -> Group:
    """Return one line a task, in the order of their start."""
    order = sorted(tasks, key=lambda task: (task["start_date"] or "9", task["task_id"], task["map_index"]))
    return Group(*(Text.from_markup(line(task)) for task in order))


def line(task: Task) -> str:
    """Return a task's line: a mark, its name, its state and its seconds."""
    mapped = "" if task["map_index"] < 0 else f"[{task['rendered_map_index'] or task['map_index']}]"
    name = escape(f"{task['task_id'] + mapped:<32}")
    duration = "" if task["duration"] is None else f"{task['duration']:.1f} s"
    return f" {MARKS.get(task['state'], '·')} {name} {task['state'] or 'waiting':<16} {duration}"


def report_changes(tasks: list[Task], shown: dict[tuple[str, int], str]) -> None:
    """Print the tasks that started or ended since the last call: for logs, where nothing can be redrawn."""
    for task in sorted(tasks, key=lambda task: task["end_date"] or "9"):
        key = (task["task_id"], task["map_index"])
        state = task["state"]
        if state in {"running", "success", "failed", "skipped", "up_for_retry"} and shown.get(key) != state:
            console.print(line(task), highlight=False)
        shown[key] = state


def show_failures(rest: AirflowRest, path: str, tasks: list[Task]) -> None:
    """Print the end of the log of every task that failed by itself."""
    for task in tasks:
        if task["state"] != "failed":
            continue
        log = f"{path}/taskInstances/{task['task_id']}/logs/{task['try_number']}"
        content = rest.call("GET", f"{log}?map_index={task['map_index']}&full_content=true")["content"]
        console.print(f"[red]{task['task_id']}[/]: the end of its log")
        lines = [text for text in map(log_line, content) if "::group::" not in text and "::endgroup::" not in text]
        for text in lines[-LOG_LINES:]:
            console.print("   ", text, markup=False, highlight=False)


def log_line(event: dict[str, Any] | str) -> str:
    """Return one log event as text; an exception with its type and value."""
    if isinstance(event, str):
        return event
    details = event.get("error_detail") or []
    errors = [f"{detail.get('exc_type')}: {detail.get('exc_value')}" for detail in details]
    return " ".join(str(part) for part in [event.get("timestamp") or "", event.get("event", ""), *errors])


if __name__ == "__main__":
    typer.run(main)
