"""Imports what the tasks need once, in the scheduler, whose LocalExecutor forks every task.

On where `XFLOW_PRELOAD` is set: the scheduler's environment, nobody else's. xFlow's own modules are
left out, so that changed code takes effect with the next task.
"""

import os

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

TASK_RUNTIME = (
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.providers.standard.decorators.python",
)


class Preload:
    """Runs before the scheduler starts its workers."""

    @hookimpl
    def on_starting(self, component: object) -> None:  # noqa: ARG002  # the hook's signature
        """Import the task runtime of Airflow and the packages of the steps."""
        if os.environ.pop("XFLOW_PRELOAD", "") == "1":
            from importlib import import_module

            from xflow.preload import preload

            for module in TASK_RUNTIME:
                import_module(module)
            preload()


class XflowPreloadPlugin(AirflowPlugin):
    """Makes Airflow call the listener."""

    name = "xflow_preload"
    listeners = [Preload()]  # noqa: RUF012  # Airflow reads a list
