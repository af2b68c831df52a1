"""What this machine or container has: cores, memory, GPU, versions."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "apache-airflow",
    "mlflow",
    "xgboost",
    "scikit-learn",
    "ts-etna",
    "evidently",
    "pandas",
    "numpy",
    "pyarrow",
    "boto3",
    "psycopg2-binary",
    "tarantool",
    "celery",
)
GPU_SECONDS = 180  # a first fit compiles kernels
CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
DISK_BYTES, DISK_SHARE = 5 * 2**30, 0.02  # so much of a disk wants to be free
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")

Json = dict[str, Any]


def machine() -> Json:
    """Return cores, memory, disk, Python and platform; a container's limits where they are set."""
    # The data lie there natively; in a container the code is on the engine's disk, as the volumes are.
    disk = shutil.disk_usage(os.environ.get("XFLOW_HOME") or Path(__file__).parent)
    return {
        "container": in_container(),
        "cores": len(os.sched_getaffinity(0)),
        "cores_limit": cores_limit(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "memory_limit_bytes": memory_limit(),
        "disk_bytes": disk.total,
        "disk_free_bytes": disk.free,
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
    }


def in_container() -> bool:
    """Tell whether this process runs in a container."""
    return any(mark.exists() for mark in CONTAINER_MARKS)


def disk_short(total: int, free: int) -> bool:
    """Tell whether so little of a disk is free (bytes) that services refuse to write, or soon will."""
    return free < max(DISK_BYTES, DISK_SHARE * total)


def memory_limit(root: Path = CGROUPS, own: Path = OWN_CGROUP) -> int | None:
    """Return the smallest memory limit of the control groups around this process; None where there is none."""
    texts = _settings("memory", "memory.max", "memory.limit_in_bytes", root, own)
    # Version 1 says "no limit" by the largest number of whole pages.
    found = [int(text) for text in texts if text != "max" and int(text) < 2**62]
    return min(found, default=None)


def cores_limit(root: Path = CGROUPS, own: Path = OWN_CGROUP) -> float | None:
    """Return the smallest limit of CPU time, in cores; None where there is none."""
    found = []
    for text in _settings("cpu", "cpu.max", "cpu.cfs_quota_us", root, own):
        quota, _, period = text.partition(" ")
        if quota not in {"max", "-1"}:
            found.append(int(quota) / int(period or 100_000))  # version 1 keeps the period, 100 ms, in another file
    return min(found, default=None)


def _settings(controller: str, name: str, name_v1: str, root: Path, own: Path) -> list[str]:
    """Return a setting's text in every control group from this process' own up to the root of what is mounted."""
    if not own.is_file():
        return []
    found = []
    for line in own.read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, file = root, name
        elif controller in controllers.split(","):
            top, file = root / controller, name_v1
        else:
            continue
        # A container may see itself at the root of what is mounted, whatever its path is called outside.
        places = {top, *(top.joinpath(*Path(path).parts[1:end]) for end in range(2, len(Path(path).parts) + 1))}
        found += [(place / file).read_text(encoding="utf-8").strip() for place in places if (place / file).is_file()]
    return found


def packages() -> dict[str, str]:
    """Return the installed version of each key package; empty where one is missing."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


def gpu() -> Json:
    """Return the GPUs, the driver, XGBoost's build, what ``device: auto`` takes, and what is wrong with it."""
    told = nvidia_smi()
    own, failure = _own_process()
    cuda = own.get("cuda") or {}
    listed, usable = told.get("devices", []), cuda.get("devices", [])
    found = {
        "devices": usable or listed,
        "driver_version": told.get("driver_version") or kernel_module(),
        "cuda_version": cuda.get("cuda_version") or told.get("cuda_version", ""),
        "xgboost": own.get("xgboost", {}),
        "device_auto": own.get("auto", ""),
        "fit": own.get("fit"),
    }
    reason = failure or told.get("error", "") or gpu_trouble(found, listed, cuda.get("error", ""))
    return {**found, "reason": reason}


def gpu_trouble(found: Json, listed: list[Json], error: str) -> str:
    """Return what keeps XGBoost from the GPU that is here, and what to do; empty when nothing does.

    Parameters
    ----------
    found
        What `gpu` returns.
    listed
        The GPUs that nvidia-smi lists.
    error
        What the CUDA driver library says, empty when it says nothing.
    """
    if listed and found["device_auto"] != "cuda":
        return (
            f"nvidia-smi lists {len(listed)} GPU, but CUDA finds none here{f': {error}' if error else ''}. A container "
            "needs NVIDIA_DRIVER_CAPABILITIES=compute,utility; CUDA_VISIBLE_DEVICES may hide it. See GPU in README.md."
        )
    if not found["fit"] or found["fit"]["works"]:
        return ""
    said, build, driver = found["fit"]["error"], found["xgboost"], found["cuda_version"]
    if not build["built_with_cuda"]:
        advice = "This XGBoost is built without CUDA: install the package xgboost, not xgboost-cpu."
    elif _major(driver) < _major(build["cuda_version"]):
        advice = f"The driver supports CUDA {driver}, XGBoost is built for {build['cuda_version']}: update the driver."
    else:
        advice = "Set device: cpu in the pipelines until it works."
    return f"a fit on the GPU failed: {said}. {advice} See GPU in README.md."


def nvidia_smi() -> Json:
    """Return GPUs, driver and CUDA version as nvidia-smi tells them; empty where there is no nvidia-smi.

    ``error`` says why one that is there tells nothing.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return {}
    try:
        done = subprocess.run(  # noqa: S603
            [program, "-q", "-x"], capture_output=True, text=True, check=False, timeout=GPU_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"error": f"nvidia-smi: {error}. See GPU in README.md."}
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split())
        return {"error": f"nvidia-smi: {said or f'exit code {done.returncode}'} See GPU in README.md."}
    return parse_nvidia_smi(done.stdout)


def parse_nvidia_smi(text: str) -> Json:
    """Return GPUs, driver and CUDA version out of what ``nvidia-smi -q -x`` prints."""
    log = ET.fromstring(text)  # noqa: S314  # of a program of this machine
    return {
        "driver_version": log.findtext("driver_version", ""),
        "cuda_version": log.findtext("cuda_version", ""),
        "devices": [
            {
                "name": each.findtext("product_name", ""),
                "memory_mib": _mebibytes(each.findtext("fb_memory_usage/total", "")),
            }
            for each in log.findall("gpu")
        ],
    }


def _mebibytes(text: str) -> int | None:
    """Return the number of ``24564 MiB``; None of ``N/A``, as where a GPU shares the machine's memory."""
    number = text.partition(" ")[0]
    return int(number) if number.isdigit() else None


def kernel_module(path: Path | None = None) -> str:
    """Return the version of the NVIDIA kernel module; empty where there is none."""
    from xflow.doctor_gpu import KERNEL_MODULE

    place = path or KERNEL_MODULE
    found = re.search(r"\b\d{3,}\.[\d.]+\b", place.read_text(encoding="utf-8")) if place.is_file() else None
    return found[0] if found else ""


def _own_process() -> tuple[Json, str]:
    """Return what `xflow.doctor_gpu` found, and why it found nothing when it failed or crashed."""
    command = [sys.executable, "-m", "xflow.doctor_gpu"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=GPU_SECONDS)  # noqa: S603
    except subprocess.TimeoutExpired:
        return {}, f"XGBoost did not answer in {GPU_SECONDS} s: {' '.join(command[1:])}"
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or [""]
        return {}, f"XGBoost cannot be used: exit code {done.returncode} {said[0]}: {' '.join(command[1:])} shows all"
    told: Json = json.loads(done.stdout.splitlines()[-1])
    return told, ""


def _major(dotted: str) -> int:
    return int(dotted.partition(".")[0] or 0)
