"""What CUDA and XGBoost can do here. Run as a program of its own: ``python -m xflow.doctor_gpu`` prints JSON.

CUDA does not survive a fork, so it must never be initialised in a process that may fork later.
"""

import ctypes
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

LIBRARY = "libcuda.so.1"
KERNEL_MODULE = Path("/proc/driver/nvidia/version")
ERRORS = {3: "not initialized", 35: "driver too old", 100: "no device", 803: "driver and library versions differ"}


def cuda_facts(driver: Any) -> dict[str, Any]:
    """Return what the CUDA driver library tells of itself and of the GPUs that this process may use.

    Parameters
    ----------
    driver
        ``libcuda``, loaded by ctypes.
    """
    version, count = ctypes.c_int(0), ctypes.c_int(0)
    driver.cuDriverGetVersion(ctypes.byref(version))
    facts: dict[str, Any] = {"cuda_version": f"{version.value // 1000}.{version.value % 1000 // 10}", "devices": []}
    code = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if code:
        return {**facts, "error": f"CUDA error {code}{f' ({ERRORS[code]})' if code in ERRORS else ''}"}
    for number in range(count.value):
        name, size, device = ctypes.create_string_buffer(256), ctypes.c_size_t(0), ctypes.c_int(0)
        driver.cuDeviceGet(ctypes.byref(device), number)
        driver.cuDeviceGetName(name, len(name), device)
        driver.cuDeviceTotalMem_v2(ctypes.byref(size), device)
        facts["devices"].append({"name": name.value.decode(errors="replace"), "memory_mib": size.value // 1024**2})
    return facts


def fit(device: str) -> dict[str, Any]:
    """Fit a few trees on a device; return where XGBoost really ran, and the error when it could not.

    XGBoost warns and goes on with the CPU when it finds no usable GPU: its own configuration tells.
    """
    import time

    import numpy as np
    import xgboost

    rows = np.random.default_rng(0).normal(size=(2000, 4))
    target = rows @ np.array([1.0, -2.0, 0.5, 0.0])
    began = time.perf_counter()
    try:
        data = xgboost.QuantileDMatrix(rows, target)
        model = xgboost.train({"device": device, "max_depth": 4}, data, 20)
        ran_on = json.loads(model.save_config())["learner"]["generic_param"]["device"]
        explained = 1 - np.var(target - model.predict(data)) / np.var(target)
    except (xgboost.core.XGBoostError, ValueError) as error:
        return {"works": False, "error": " ".join(str(error).split("Stack trace")[0].split())}
    seconds = round(time.perf_counter() - began, 3)
    if not ran_on.startswith(device):
        return {"works": False, "error": f"XGBoost found no usable GPU and ran on the {ran_on.upper()}"}
    if not explained > 0.5:
        return {"works": False, "error": f"the model explains {explained:.0%} of data without noise"}
    return {"works": True, "device": ran_on, "seconds": seconds}


def build() -> dict[str, Any]:
    """Return version and build of the installed XGBoost."""
    import xgboost

    info = xgboost.build_info()
    return {
        "version": xgboost.__version__,
        "built_with_cuda": bool(info.get("USE_CUDA")),
        "cuda_version": _dotted(info.get("CUDA_VERSION")),
        "built_with_nccl": _dotted(info.get("NCCL_VERSION")) if info.get("USE_NCCL") else "",
        "nccl_installed": _installed("nvidia.nccl"),
    }


def main() -> None:
    """Print everything as one line of JSON; it is the last line, as libraries may print, too."""
    from xflow.domain.global_xgb import compute_device

    found: dict[str, Any] = {"xgboost": build()}
    try:
        found["cuda"] = cuda_facts(ctypes.CDLL(LIBRARY))
    except OSError:
        found["cuda"] = None
    found["auto"] = compute_device("auto")
    if found["auto"] == "cuda":
        found["fit"] = fit("cuda")
    sys.stdout.write("\n" + json.dumps(found) + "\n")


def _dotted(parts: list[int] | None) -> str:
    return ".".join(map(str, parts or []))


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package above it
        return False


if __name__ == "__main__":
    main()
