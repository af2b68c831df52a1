"""What kind of machine computes: figures of one kind are equal bit for bit, those of two kinds may differ."""

import ctypes
import os
import platform
from pathlib import Path

from xflow.settings import openmp_threads

CPUS = Path("/proc/cpuinfo")
NAME_BYTES = 256


def machine_kind(device: str) -> dict[str, str]:
    """Return what a model's figures may depend on beside its code.

    Parameters
    ----------
    device
        Where the trees are grown: ``cpu`` or ``cuda``.

    Returns
    -------
    dict
        Model of the processor, cores, threads that a library may use, platform, Python, the device, and its name
        when it is a GPU.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    libc = "-".join(part for part in platform.libc_ver() if part)
    found = {
        "cpu": _cpu(),
        "cores": str(os.cpu_count() or 1),
        "threads": str(openmp_threads() or usable),
        "platform": " ".join(part for part in (platform.system(), platform.machine(), libc) if part),
        "python": platform.python_version(),
        "device": device,
    }
    return found | ({"gpu": _gpu()} if device == "cuda" else {})


def _cpu() -> str:
    try:
        lines = CPUS.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")


def _gpu() -> str:
    """Return the name of the first GPU, as the driver gives it."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "unknown"
    device, name = ctypes.c_int(0), ctypes.create_string_buffer(NAME_BYTES)
    found = (
        driver.cuInit(0) == 0
        and driver.cuDeviceGet(ctypes.byref(device), 0) == 0
        and driver.cuDeviceGetName(name, NAME_BYTES, device) == 0
    )
    return name.value.decode(errors="replace") if found else "unknown"
