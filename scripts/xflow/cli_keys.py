"""API keys of the prediction service: list, add, revoke."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table

from xflow.cli_base import console, reported
from xflow.errors import ConfigInvalid, ModelMissing, ModelRefused
from xflow.serving_rest import ServingRest
from xflow.settings import Settings

keys = typer.Typer(no_args_is_help=True, help=__doc__)
KeyName = Annotated[str, typer.Argument(help="Small letters, digits, _ and -, at most 40.")]
KeyRole = Annotated[
    Literal["predict", "deploy", "admin"],
    typer.Option(help="What it allows; each role may do what those before it may."),
]


@keys.command("list")
def list_keys() -> None:
    """List the keys; the administrator's, XFLOW_SERVING_KEY in .env, is not among them."""
    with _service() as service:
        found = service.call("GET", "/v1/keys")["keys"]
    table = Table("name", "role", "made")
    for key in found:
        table.add_row(key["name"], key["role"], key["created_at"])
    Console().print(table if found else "no keys but the administrator's, XFLOW_SERVING_KEY in .env")


@keys.command("add")
def add_key(name: KeyName, role: KeyRole = "predict") -> None:
    """Make a key and print it. It is told this once: the service keeps its sha256."""
    with _service() as service:
        made = service.call("POST", "/v1/keys", {"name": name, "role": role})
    typer.echo(made["key"])
    console.print(f"{made['name']} may {made['role']}: send Authorization: Bearer <key>", highlight=False)


@keys.command("revoke")
def revoke_key(name: KeyName) -> None:
    """Refuse a key from now on."""
    with _service() as service:
        service.call("DELETE", f"/v1/keys/{quote(name, safe='')}")
    typer.echo(f"{name} is refused from now on")


@contextmanager
def _service() -> Iterator[ServingRest]:
    """Give the service; what it says no to is shown as one line."""
    with reported():
        settings = Settings.from_env()
        if not settings.serving_url or not settings.serving_key:
            raise ConfigInvalid("settings: XFLOW_SERVING_URL and XFLOW_SERVING_KEY are not set: see .env")
        try:
            yield ServingRest(settings.serving_url, settings.serving_key)
        except (ModelMissing, ModelRefused) as error:  # of a key: unknown, or taken
            raise ConfigInvalid(str(error)) from None
