"""The command that looks at what became of the predictions."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from xflow.cli_base import Name, RunId, Steps, reported, run_of
from xflow.monitor_runner import MonitorRunner

Until = Annotated[str | None, typer.Option(help="Newest time of an outcome; default: the newest in the mart.")]


def monitor(name: Name, as_of: Until = None, run_id: RunId = None) -> None:
    """Join predictions with the actual values that have arrived, and say whether to train again."""
    with reported(), Steps(MonitorRunner(*run_of(name, "monitor", run_id))) as steps:
        found = steps.call("monitor", steps.runner.monitor, as_of)
    if found["figures"]:
        table = Table("", "figure", title=f"{name}: realised", title_justify="left")
        for figure, value in found["figures"].items():
            table.add_row(figure, f"{value:.4f}")
        Console().print(table)
    typer.echo(f"{found['rows']} figures in mart.realised; {found['message']}")
