"""What tells two kinds of machines apart."""

import pytest

from xflow import machine


def test_a_machine_says_what_figures_may_depend_on(monkeypatch, tmp_path):
    cpus = tmp_path / "cpuinfo"
    cpus.write_text("processor\t: 0\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\nmodel name\t: AMD EPYC\n")
    monkeypatch.setattr(machine, "CPUS", cpus)
    found = machine.machine_kind("cpu")
    assert (found["cpu"], found["device"]) == ("AMD EPYC", "cpu")
    assert int(found["cores"]) >= int(found["threads"]) >= 1
    assert "gpu" not in found
    assert all(found.values())


@pytest.mark.parametrize(("told", "threads"), [("3", "3"), ("4,2", "4")])
def test_the_threads_are_those_that_openmp_was_told(monkeypatch, told, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert machine.machine_kind("cpu")["threads"] == threads


def test_a_gpu_has_a_name_even_without_its_driver():
    assert machine.machine_kind("cuda")["gpu"]
