"""What a DAG run costs beyond its steps' own work, per task, on a running stack.

Takes the newest successful run of each DAG. A step says in its task's log how long it took; the
run's wall clock without the time in which any step worked, divided by the number of tasks, is the
overhead: scheduling, forking, imports, XCom, the api-server.
"""

import os
import re
import sys
from datetime import datetime
from typing import Any

from xflow.airflow_rest import AirflowRest
from xflow.settings import env_file, read_env_file

LIMIT_SECONDS = 3.0
TOOK = re.compile(r" took (\d+\.\d+) s$")
Interval = tuple[float, float]


def main(dag_ids: list[str]) -> int:
    """Print one line a DAG; return 1 when one is above the limit."""
    found = {**read_env_file(env_file()), **os.environ}
    rest = AirflowRest(found["AIRFLOW_URL"], found["AIRFLOW_USERNAME"], found["AIRFLOW_PASSWORD"])
    worst = 0.0
    print(f"{'DAG run':<60} {'tasks':>5} {'wall s':>8} {'work s':>8} {'overhead s a task':>18}  limit {LIMIT_SECONDS}")
    for dag_id in dag_ids:
        run = newest(rest, dag_id)
        path = f"/dags/{dag_id}/dagRuns/{run['dag_run_id']}/taskInstances"
        tasks = rest.call("GET", f"{path}?limit=100&state=success")["task_instances"]
        wall = seconds(run["end_date"]) - seconds(run["start_date"])
        work = covered([interval for task in tasks for interval in own_work(rest, path, task)])
        overhead = (wall - work) / len(tasks)
        worst = max(worst, overhead)
        print(f"{dag_id + ' ' + run['dag_run_id']:<60} {len(tasks):>5} {wall:>8.1f} {work:>8.1f} {overhead:>18.2f}")
    return int(worst > LIMIT_SECONDS)


def newest(rest: AirflowRest, dag_id: str) -> dict[str, Any]:
    """Return the newest successful run of a DAG."""
    try:
        runs = rest.call("GET", f"/dags/{dag_id}/dagRuns?state=success&order_by=-start_date&limit=1")["dag_runs"]
    except OSError as error:
        raise SystemExit(f"Airflow at {rest.url} does not answer ({error}): ./start.sh demo first") from error
    if not runs:
        raise SystemExit(f"{dag_id} has no successful run yet: ./start.sh demo first")
    found: dict[str, Any] = runs[0]
    return found


def own_work(rest: AirflowRest, path: str, task: dict[str, Any]) -> list[Interval]:
    """Return the span in which a task's step worked, as its log tells it."""
    log = rest.call("GET", f"{path}/{task['task_id']}/logs/{task['try_number']}?map_index={task['map_index']}")
    spans = []
    for line in log["content"]:
        if isinstance(line, dict) and (took := TOOK.search(line["event"])):
            end = seconds(line["timestamp"])
            spans.append((end - float(took[1]), end))
    if not spans:
        raise SystemExit(f"{task['task_id']}: its log does not say how long its step took")
    return spans


def covered(spans: list[Interval]) -> float:
    """Return the length of the union of intervals."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def seconds(timestamp: str) -> float:
    """Return an ISO timestamp in seconds."""
    return datetime.fromisoformat(timestamp).timestamp()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["tourism_monthly_train", "tourism_monthly_predict"]))
