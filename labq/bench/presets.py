"""What the presets mean for the slots of a host: bounds, patience under pressure, nice values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labq.bench.adaptive import Bounds
from labq.bench.strain import Tolerance
from labq.domain.plan import Queue
from labq.domain.presets import Preset


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """One preset on a machine of so many cores.

    `nice` is what emulators and the programs of steps run at, `most_gap` the longest pause between
    two starts in seconds, `is_serial`: one job at a time.
    """

    bounds: Mapping[Queue, Bounds]
    tolerance: Tolerance
    nice: int
    most_gap: float
    is_serial: bool = False


def values(preset: Preset, cores: int) -> Values:
    """Return what the preset means on a machine with this many physical cores."""
    match preset:
        case Preset.DEVELOPMENT:
            return _development(cores)
        case Preset.BASELINE:
            return _baseline(cores)
        case Preset.DEDICATED:
            return _dedicated(cores)
        case Preset.SERIAL:
            return _serial()


def _development(cores: int) -> Values:
    """Somebody works at this machine: few starts at once, and they give way."""
    return Values(
        bounds=_bounds(
            boot=Bounds(floor=1, start=max(1, cores // 4), ceiling=max(1, cores)),
            fetch=Bounds(floor=1, start=2, ceiling=4),
        ),
        tolerance=Tolerance(cpu=0.5, runnable=1.5, io=0.3, memory=0.05, swap=50),
        nice=10,
        most_gap=5.0,
    )


def _baseline(cores: int) -> Values:
    """An ordinary machine that may be busy with labq, and stays usable."""
    return Values(
        bounds=_bounds(
            boot=Bounds(floor=1, start=_half(cores), ceiling=8 * cores, step=_eighth(cores)),
            fetch=Bounds(floor=1, start=4, ceiling=8),
        ),
        tolerance=Tolerance(cpu=None, runnable=4.0, io=0.6, memory=0.1, swap=200),
        nice=5,
        most_gap=2.0,
    )


def _dedicated(cores: int) -> Values:
    """A server that does nothing else."""
    return Values(
        bounds=_bounds(
            boot=Bounds(floor=1, start=_half(cores), ceiling=16 * cores, step=_eighth(cores)),
            fetch=Bounds(floor=2, start=4, ceiling=16),
        ),
        tolerance=Tolerance(cpu=None, runnable=5.0, io=0.8, memory=0.2, swap=500),
        nice=0,
        most_gap=1.0,
    )


def _serial() -> Values:
    """One job at a time: nothing of another job disturbs a measurement."""
    one = Bounds(floor=1, start=1, ceiling=1)
    return Values(
        bounds=_bounds(boot=one, fetch=one),
        tolerance=Tolerance(cpu=None, runnable=4.0, io=0.6, memory=0.1, swap=200),
        nice=0,
        most_gap=0.0,
        is_serial=True,
    )


def _bounds(boot: Bounds, fetch: Bounds) -> Mapping[Queue, Bounds]:
    return {Queue.BOOT: boot, Queue.DEPLOY: fetch, Queue.DOWNLOAD: fetch}


def _half(cores: int) -> int:
    return max(1, cores // 2)


def _eighth(cores: int) -> int:
    return max(1, cores // 8)
