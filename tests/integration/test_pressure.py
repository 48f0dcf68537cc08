"""Counters of the kernel, read from files: of this machine, and of machines that tell less."""

from __future__ import annotations

from pathlib import Path

import pytest

from labq.bench.pressure import Meter
from labq.hw.machine import has_pressure, is_virtual

NOWHERE = Path("/nowhere")


def _machine(folder: Path, *, cpu: int, swapped: int, runnable: int) -> None:
    """Write what /proc of a machine says; `cpu` is microseconds of waiting."""
    (folder / "pressure").mkdir(exist_ok=True)
    for resource, total in (("cpu", cpu), ("io", 0), ("memory", 0)):
        text = f"some avg10=0.00 avg60=0.00 avg300=0.00 total={total}\nfull total=9\n"
        (folder / "pressure" / resource).write_text(text)
    (folder / "vmstat").write_text(f"nr_free_pages 7\npswpin {swapped}\npswpout 0\n")
    (folder / "loadavg").write_text(f"3.00 2.00 1.00 {runnable + 1}/200 4711\n")


def test_a_sample_tells_what_happened_since_the_last_one(tmp_path: Path) -> None:
    _machine(tmp_path, cpu=5_000_000, swapped=100, runnable=4)
    meter = Meter(2.0, 10.0, proc=tmp_path, cgroup=NOWHERE)
    _machine(tmp_path, cpu=6_000_000, swapped=500, runnable=4)
    sample = meter.sample(12.0)
    assert (sample.cpu, sample.io, sample.swap) == (0.5, 0.0, 200.0)
    assert (sample.load, sample.runnable) == (1.5, 1.0)
    for second in range(13, 30):
        sample = meter.sample(float(second))
    assert (sample.cpu, sample.runnable) == (0.0, pytest.approx(2.0, abs=0.01))


def test_a_cgroup_that_is_pressed_harder_than_its_machine_counts(tmp_path: Path) -> None:
    proc, cgroup = tmp_path / "proc", tmp_path / "cgroup"
    proc.mkdir()
    cgroup.mkdir()
    _machine(proc, cpu=0, swapped=0, runnable=0)
    (cgroup / "memory.pressure").write_text("some avg10=0.00 total=0\n")
    meter = Meter(2.0, 0.0, proc=proc, cgroup=cgroup)
    (cgroup / "memory.pressure").write_text("some avg10=0.00 total=250000\n")
    assert meter.sample(1.0).memory == 0.25


def test_a_kernel_without_pressure_figures_is_read_by_its_load(tmp_path: Path) -> None:
    (tmp_path / "loadavg").write_text("8.00 2.00 1.00 9/200 4711\n")
    meter = Meter(4.0, 0.0, proc=tmp_path, cgroup=NOWHERE)
    sample = meter.sample(1.0)
    assert not sample.has_stalls
    assert (sample.cpu, sample.load, sample.runnable) == (0.0, 2.0, 1.0)
    assert not has_pressure(proc=tmp_path)


def test_this_machine_can_be_read() -> None:
    sample = Meter(1.0, 0.0).sample(1.0)
    assert sample.has_stalls == has_pressure()
    assert sample.load >= 0.0


@pytest.mark.parametrize(
    ("flags", "vendor", "expected"),
    [("fpu hypervisor", "", True), ("fpu vme", "QEMU\n", True), ("fpu vme", "Dell Inc.\n", False)],
)
def test_a_virtual_machine_is_told_by_processor_or_firmware(
    tmp_path: Path, flags: str, vendor: str, *, expected: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: {flags}\n")
    (tmp_path / "sys_vendor").write_text(vendor)
    assert is_virtual(proc=tmp_path, dmi=tmp_path) is expected
