"""What the doctor makes of a machine's limits and of its GPU, or of there being none."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from xflow import doctor, doctor_machine
from xflow.doctor_gpu import cuda_facts, fit

# What `nvidia-smi -q -x` prints, shortened.
NVIDIA_SMI = """<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v13.dtd">
<nvidia_smi_log>
\t<timestamp>Tue Oct 27 09:46:54 2026</timestamp>
\t<driver_version>580.159.03</driver_version>
\t<cuda_version>13.0</cuda_version>
\t<attached_gpus>2</attached_gpus>
\t<gpu id="00000000:81:00.0">
\t\t<product_name>NVIDIA H200</product_name>
\t\t<fb_memory_usage>
\t\t\t<total>143771 MiB</total>
\t\t\t<reserved>615 MiB</reserved>
\t\t\t<used>0 MiB</used>
\t\t</fb_memory_usage>
\t\t<bar1_memory_usage>
\t\t\t<total>256 MiB</total>
\t\t</bar1_memory_usage>
\t</gpu>
\t<gpu id="00000000:C1:00.0">
\t\t<product_name>NVIDIA GB10</product_name>
\t\t<fb_memory_usage>
\t\t\t<total>N/A</total>
\t\t</fb_memory_usage>
\t</gpu>
</nvidia_smi_log>
"""
NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running."
)
without_gpu = pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="this machine has a GPU")


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Put a program that prints a text and ends with a code first on PATH, or none at all."""

    def install(text: str | None, code: int = 0) -> None:
        if text is not None:
            (tmp_path / "text").write_text(text)
            program = tmp_path / "nvidia-smi"
            program.write_text(f"#!/bin/sh\n/bin/cat {tmp_path}/text\nexit {code}\n")
            program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return install


def test_nvidia_smi_is_read():
    told = doctor_machine.parse_nvidia_smi(NVIDIA_SMI)
    assert told == {
        "driver_version": "580.159.03",
        "cuda_version": "13.0",
        "devices": [{"name": "NVIDIA H200", "memory_mib": 143771}, {"name": "NVIDIA GB10", "memory_mib": None}],
    }


@without_gpu
def test_a_machine_without_gpu_is_no_problem(nvidia_smi):
    nvidia_smi(None)
    gpu = doctor_machine.gpu()
    assert (gpu["devices"], gpu["device_auto"], gpu["fit"], gpu["reason"]) == ([], "cpu", None, "")
    assert gpu["xgboost"]["version"]
    rows = dict(doctor._gpu_rows({"gpu": gpu, "machine": {"container": True}}))
    assert rows["GPU"] == "none: no NVIDIA driver in this container. To use one, see GPU in README.md"
    assert rows["device: auto"] == "takes cpu"


@without_gpu
def test_a_gpu_that_cuda_cannot_use_is_a_problem(nvidia_smi):
    nvidia_smi(NVIDIA_SMI)
    gpu = doctor_machine.gpu()
    assert gpu["devices"][0]["name"] == "NVIDIA H200"
    assert (gpu["driver_version"], gpu["cuda_version"], gpu["device_auto"]) == ("580.159.03", "13.0", "cpu")
    assert "nvidia-smi lists 2 GPU, but CUDA finds none here" in gpu["reason"]
    assert "NVIDIA_DRIVER_CAPABILITIES" in gpu["reason"]


@without_gpu
def test_a_driver_that_does_not_run_is_a_problem(nvidia_smi):
    nvidia_smi(NO_DRIVER, 9)
    assert doctor_machine.gpu()["reason"] == f"nvidia-smi: {NO_DRIVER} See GPU in README.md."


@without_gpu
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_fit_that_silently_went_to_the_cpu_did_not_work():
    assert fit("cuda") == {"works": False, "error": "XGBoost found no usable GPU and ran on the CPU"}


def test_a_fit_that_runs_where_it_was_told_works():
    done = fit("cpu")
    assert (done["works"], done["device"]) == (True, "cpu")


@pytest.mark.parametrize(
    ("driver", "built", "expected"),
    [
        ("12.8", {"built_with_cuda": True, "cuda_version": "13.3"}, "supports CUDA 12.8, XGBoost is built for 13.3"),
        ("13.0", {"built_with_cuda": True, "cuda_version": "13.3"}, "Set device: cpu"),
        ("13.0", {"built_with_cuda": False, "cuda_version": ""}, "not xgboost-cpu"),
    ],
)
def test_a_failed_fit_says_what_to_do(driver, built, expected):
    found = {"fit": {"works": False, "error": "no kernel"}, "xgboost": built, "cuda_version": driver}
    found["device_auto"] = "cuda"
    reason = doctor_machine.gpu_trouble(found, [{"name": "NVIDIA H200"}], "")
    assert reason.startswith("a fit on the GPU failed: no kernel. ")
    assert expected in reason
    assert not doctor_machine.gpu_trouble({**found, "fit": {"works": True}}, [{"name": "NVIDIA H200"}], "")


def driver(error: int = 0) -> SimpleNamespace:
    """Stand for libcuda: two GPUs, or an error of cuInit."""

    def put(argument: object, value: object) -> int:
        argument._obj.value = value
        return 0

    return SimpleNamespace(
        cuDriverGetVersion=lambda version: put(version, 12080),
        cuInit=lambda flags: error,
        cuDeviceGetCount=lambda count: put(count, 2),
        cuDeviceGet=lambda device, number: put(device, number + 7),
        cuDeviceGetName=lambda name, size, device: setattr(name, "value", f"GPU {device.value}".encode()),
        cuDeviceTotalMem_v2=lambda size, device: put(size, 24 * 1024**3),
    )


def test_the_driver_library_is_read():
    devices = [{"name": f"GPU {number}", "memory_mib": 24 * 1024} for number in (7, 8)]
    assert cuda_facts(driver()) == {"cuda_version": "12.8", "devices": devices}
    failed = cuda_facts(driver(error=100))
    assert (failed["devices"], failed["error"]) == ([], "CUDA error 100 (no device)")


@pytest.mark.parametrize(
    "text",
    [
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.159.03  Tue Oct 27 12:00:00 UTC 2026\nGCC version: 12.2",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.03  Release Build  (dvs-builder)",
    ],
)
def test_the_version_of_the_kernel_module_is_read(text, tmp_path):
    path = tmp_path / "version"
    assert doctor_machine.kernel_module(path) == ""
    path.write_text(text)
    assert doctor_machine.kernel_module(path) == "580.159.03"


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def test_limits_of_control_groups(tmp_path):
    root, own = tmp_path / "cgroup", tmp_path / "own"
    assert doctor_machine.memory_limit(root, own) is None
    put(own, "0::/service/worker")
    put(root / "service/worker/memory.max", "max")
    put(root / "service/memory.max", str(8 * 1024**3))
    put(root / "service/cpu.max", "150000 100000")
    put(root / "service/worker/cpu.max", "max 100000")
    assert doctor_machine.memory_limit(root, own) == 8 * 1024**3
    assert doctor_machine.cores_limit(root, own) == 1.5


def test_limits_of_control_groups_of_version_1(tmp_path):
    """In a container the path is that of the host, and the files lie at the root of what is mounted."""
    root, own = tmp_path / "cgroup", tmp_path / "own"
    put(own, "4:memory:/docker/1234\n1:cpu,cpuacct:/docker/1234\n0::/")
    put(root / "memory/memory.limit_in_bytes", str(2**63 - 4096))
    put(root / "cpu/cpu.cfs_quota_us", "-1")
    assert doctor_machine.memory_limit(root, own) is None
    assert doctor_machine.cores_limit(root, own) is None
    put(root / "memory/memory.limit_in_bytes", str(1024**3))
    put(root / "cpu/cpu.cfs_quota_us", "50000")
    assert doctor_machine.memory_limit(root, own) == 1024**3
    assert doctor_machine.cores_limit(root, own) == 0.5
