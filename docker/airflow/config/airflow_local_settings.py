"""What a Celery worker does before it forks the processes of its tasks, and at each heartbeat.

Airflow imports this file in each of its processes; it concerns workers alone.

XFLOW_PRELOAD=1
    The worker imports what tasks need once, and they inherit it.
XFLOW_FRESH_INTERPRETER=1
    A task starts in an interpreter of its own, since CUDA does not survive a fork.
"""

import os
import sys
from pathlib import Path
from types import ModuleType

# Airflow takes names that are not kept from it into its own settings.
__all__: list[str] = []


def prepare_worker(**_: object) -> None:
    """Do what the worker's variables say."""
    if os.environ.pop("XFLOW_PRELOAD", "") == "1":
        from xflow_preload import preload_tasks

        preload_tasks()
    if os.environ.get("XFLOW_FRESH_INTERPRETER") == "1":
        from airflow.sdk.execution_time import supervisor

        start_tasks_afresh(supervisor)


def start_tasks_afresh(supervisor: ModuleType) -> None:
    """Make Airflow's supervisor replace a task's forked process by a new interpreter.

    It does so on macOS alone; its setting `execute_tasks_new_python_interpreter` has no effect in Airflow 3.

    Raises
    ------
    RuntimeError
        This version of Airflow keeps its list of such platforms elsewhere.
    """
    try:
        supervisor._FORK_EXEC_PLATFORMS.add(sys.platform)  # noqa: SLF001
    except AttributeError as error:
        raise RuntimeError(
            f"{error}: this version of Airflow starts tasks another way. Adapt {__file__}; "
            "a GPU task that is forked fails in CUDA."
        ) from error


def show_heartbeat(**_: object) -> None:
    """Touch the file that healthy.py looks at."""
    Path(os.environ.get("TMPDIR", "/tmp"), "worker-heartbeat").touch()  # noqa: S108  # a container's own


if sys.argv[1:3] == ["celery", "worker"]:
    from celery import signals

    # Celery raises again what this raises, so a worker that cannot do it does not start.
    signals.import_modules.connect(prepare_worker)
    signals.heartbeat_sent.connect(show_heartbeat)
