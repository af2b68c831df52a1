"""Imports what the tasks need once, in the process that forks every task.

That is the scheduler under LocalExecutor, which calls the listener below, and a Celery worker, for
which `airflow_local_settings.py` calls `preload_tasks`. On where `XFLOW_PRELOAD` is set: the
environment of that process, nobody else's. xFlow's own modules are left out, so that changed code
takes effect with the next task.
"""

import os
from importlib import import_module

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

TASK_RUNTIME = (
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.providers.standard.decorators.python",
)


def preload_tasks() -> None:
    """Import the task runtime of Airflow and the packages of the steps."""
    from xflow.preload import preload

    for module in TASK_RUNTIME:
        import_module(module)
    preload()


class Preload:
    """Runs before the scheduler starts its workers."""

    @hookimpl
    def on_starting(self, component: object) -> None:  # noqa: ARG002  # the hook's signature
        """Preload when told to."""
        if os.environ.pop("XFLOW_PRELOAD", "") == "1":
            preload_tasks()


class XflowPreloadPlugin(AirflowPlugin):
    """Makes Airflow call the listener."""

    name = "xflow_preload"
    listeners = [Preload()]  # noqa: RUF012  # Airflow reads a list
