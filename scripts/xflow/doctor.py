"""What xFlow sees where it runs: the machine, its GPU, versions, and every service of the stack."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Column, Table

from xflow import doctor_machine
from xflow.code_version import git_commit
from xflow.doctor_broker import examine_broker
from xflow.doctor_probe import DEADLINE_SECONDS, Probe, address_of, passwords_in, side_by_side
from xflow.doctor_stores import examine_greenplum, examine_s3, examine_tarantool
from xflow.doctor_web import examine_airflow, examine_mlflow, examine_serving
from xflow.errors import ConfigInvalid
from xflow.settings import AirflowSettings, Settings

Json = dict[str, Any]
COLOURS = {"ok": "green", "refused": "red", "unreachable": "red", "faulty": "yellow"}
INDENT = (0, 0, 0, 2)


def examine(environment: Mapping[str, str] | None = None, seconds: float = DEADLINE_SECONDS) -> Json:
    """Return everything that can be seen from here, as plain JSON values; ``problems`` is empty when all is well.

    Parameters
    ----------
    environment
        The variables; see `Settings.from_env`.
    seconds
        What the services have, all together.
    """
    missing, settings = "", None
    try:
        settings = Settings.from_env(environment)
    except ConfigInvalid as error:
        missing = str(error)
    airflow = AirflowSettings.from_env(environment)
    # The services first: their round-trip times want a machine that does nothing else.
    services = side_by_side(probes(settings, airflow), secrets(settings, airflow), seconds)
    found: Json = {
        "machine": doctor_machine.machine(),
        "gpu": doctor_machine.gpu(),
        "commit": git_commit(),
        "packages": doctor_machine.packages(),
        "settings": missing or "complete",
        "services": [asdict(service) for service in services],
    }
    troubles = list(problems(found))
    return {"ok": not troubles, "problems": troubles, **found}


def probes(settings: Settings | None, airflow: AirflowSettings) -> list[Probe]:
    """Return the examinations of the services whose addresses are known."""
    made = []
    if settings is not None:
        made = [
            Probe(name, address_of(url), partial(examine, settings), _place(settings, name))
            for name, url, examine in (
                ("S3", settings.s3_endpoint, examine_s3),
                ("Greenplum", settings.greenplum_dsn, examine_greenplum),
                ("Tarantool", settings.tarantool_uri, examine_tarantool),
            )
        ]
        made += [
            Probe("MLflow", address_of(settings.mlflow_uri), partial(examine_mlflow, settings)),
        ]
        if settings.serving_url:
            made.append(Probe("Serving", address_of(settings.serving_url), partial(examine_serving, settings)))
    if airflow.url:
        made.append(Probe("Airflow", address_of(airflow.url), partial(examine_airflow, airflow)))
    if airflow.broker_url:
        made.append(Probe("Celery broker", address_of(airflow.broker_url), partial(examine_broker, airflow)))
    return made


def _place(settings: Settings, store: str) -> dict[str, str]:
    """Say of a store that it is one of the person's own: nothing that start.sh does starts or mends it."""
    return {"place": "outside the stack"} if store.lower() in settings.external_stores.split(",") else {}


def secrets(settings: Settings | None, airflow: AirflowSettings) -> list[str]:
    """Return every text of the settings that nobody may see."""
    found = {airflow.password} | passwords_in(airflow.url) | passwords_in(airflow.broker_url)
    if settings is not None:
        found |= {settings.s3_secret_key, settings.mlflow_password, settings.hh_token, settings.serving_key}
        addresses = (settings.s3_endpoint, settings.greenplum_dsn, settings.tarantool_uri, settings.mlflow_uri)
        for url in (*addresses, settings.serving_url):
            found |= passwords_in(url)
    return sorted(found - {""})


def problems(found: Json) -> Iterator[str]:
    """Yield a line for everything that is wrong, each with what to do."""
    if found["settings"] != "complete":
        yield found["settings"]
    machine = found["machine"]
    if doctor_machine.disk_short(machine["disk_bytes"], machine["disk_free_bytes"]):
        yield (
            f"disk: {_disk_text(machine)}. S3 (SeaweedFS) refuses every write below 1 GiB in containers, and below 1 % "
            "of its disk natively: free some. With Docker, `docker builder prune` deletes what old builds left."
        )
    if found["gpu"]["reason"]:
        yield f"GPU: {found['gpu']['reason']}"
    absent = [name for name, version in found["packages"].items() if not version]
    if absent:
        yield f"not installed: {', '.join(absent)}. Run ./start.sh install, or build the image again."
    for service in found["services"]:
        if service["state"] != "ok":
            yield f"{service['name']} {service['state']}: {service['reason']}"


def show(found: Json, console: Console) -> None:
    """Print what was found for a person."""
    sections = {"machine": _machine_rows(found["machine"]), "GPU": _gpu_rows(found), "versions": _version_rows(found)}
    for title, rows in sections.items():
        console.print(f"[bold]{title}[/]")
        grid = Table.grid(Column(no_wrap=True, min_width=16), Column(overflow="fold"), padding=(0, 2))
        for name, text in rows:
            grid.add_row(name, escape(text))
        console.print(Padding(grid, INDENT, expand=False))
    console.print("[bold]services[/]")
    if found["services"]:
        console.print(Padding(_service_table(found["services"]), INDENT, expand=False))
    else:
        console.print("  none has an address here")
    _show_verdict(found["problems"], console)


def _show_verdict(troubles: list[str], console: Console) -> None:
    if not troubles:
        console.print("[bold green]all is well[/]")
        return
    console.print(f"[bold red]{len(troubles)} problem{'s' if troubles[1:] else ''}[/]")
    for text in troubles:
        console.print(Padding(f"- {escape(text)}", INDENT, expand=False), overflow="fold")


def _machine_rows(machine: Json) -> list[tuple[str, str]]:
    cores, memory = str(machine["cores"]), _gibibytes(machine["memory_bytes"])
    if machine["cores_limit"]:
        cores += f", limited to {machine['cores_limit']:g}"
    if machine["memory_limit_bytes"]:
        memory += f", limited to {_gibibytes(machine['memory_limit_bytes'])}"
    where = ", in a container" if machine["container"] else ""
    return [
        ("cores", cores),
        ("memory", memory),
        ("disk", _disk_text(machine)),
        ("python", machine["python"]),
        ("platform", machine["platform"] + where),
    ]


def _disk_text(machine: Json) -> str:
    return f"{_gibibytes(machine['disk_free_bytes'])} free of {_gibibytes(machine['disk_bytes'])}"


def _gpu_rows(found: Json) -> list[tuple[str, str]]:
    gpu, rows = found["gpu"], []
    for device in gpu["devices"]:
        memory = f", {device['memory_mib'] / 1024:.1f} GiB" if device["memory_mib"] else ""
        rows.append(("GPU", f"{device['name']}{memory}"))
    if not rows:
        where = "container" if found["machine"]["container"] else "machine"
        rows.append(("GPU", f"none: no NVIDIA driver in this {where}. To use one, see GPU in README.md"))
    if gpu["driver_version"] or gpu["cuda_version"]:
        versions = (
            f"{gpu['driver_version'] or 'unknown'}, supports CUDA {gpu['cuda_version'] or 'of an unknown version'}"
        )
        rows.append(("driver", versions))
    if gpu["xgboost"]:
        rows.append(("XGBoost", _xgboost_text(gpu["xgboost"])))
    if gpu["fit"]:
        fit = gpu["fit"]
        rows.append(("fit on the GPU", f"works, {fit['seconds']} s" if fit["works"] else f"fails: {fit['error']}"))
    return [*rows, ("device: auto", f"takes {gpu['device_auto'] or '?'}")]


def _xgboost_text(xgboost: Json) -> str:
    cuda = f"built for CUDA {xgboost['cuda_version']}" if xgboost["built_with_cuda"] else "built without CUDA"
    nccl = "NCCL not installed: one GPU at a time"
    if not xgboost["built_with_nccl"]:
        nccl = "built without NCCL: one GPU at a time"
    elif xgboost["nccl_installed"]:
        nccl = f"NCCL {xgboost['built_with_nccl']}"
    return f"{xgboost['version']}, {cuda}, {nccl}"


def _version_rows(found: Json) -> list[tuple[str, str]]:
    return [("code", found["commit"]), *((name, text or "not installed") for name, text in found["packages"].items())]


def _service_table(services: list[Json]) -> Table:
    table = Table(
        Column("service", no_wrap=True),
        Column("state", no_wrap=True),
        Column("version and facts", overflow="fold"),
        Column("address", overflow="fold"),
        Column("median", justify="right", no_wrap=True),
        Column("max ms", justify="right", no_wrap=True),
        box=None,
        pad_edge=False,
    )
    for each in services:
        times = each["round_trip_ms"]
        figures = [f"{times[name]:.1f}" for name in ("median", "max")] if times else ["", ""]
        facts = [each["version"], *(f"{name}: {_fact(value)}" for name, value in each["details"].items())]
        state = f"[{COLOURS[each['state']]}]{each['state']}[/]"
        table.add_row(each["name"], state, escape("\n".join(facts)), escape(each["address"]), *figures)
    return table


def _fact(value: Any) -> str:
    """Return a fact's text; of the workers, each with its queues."""
    if not isinstance(value, Mapping):
        return str(value)
    return "; ".join(f"{name} ({', '.join(queues)})" for name, queues in value.items()) or "none"


def _gibibytes(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB"


def as_json(found: Json) -> str:
    """Return what was found as JSON, for machines."""
    return json.dumps(found, indent=2, ensure_ascii=False)
