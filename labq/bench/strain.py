"""From a sample of the pressure to one number: how far the machine is over what is tolerable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from labq.bench.pressure import Pressure

SEVERE = 1.5
"""A strain at which the host suffers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What is still fine of each sign, in the units of `Pressure`; None: not looked at."""

    cpu: float | None
    runnable: float
    io: float
    memory: float
    swap: float


@dataclass(frozen=True, slots=True)
class Strain:
    """1 is the most that is tolerable; `reason` names the worst sign with its figures."""

    ratio: float
    reason: str


def strain(pressure: Pressure, tolerance: Tolerance) -> Strain:
    """Return how far the worst sign is from what is tolerable."""
    return max(_signs(pressure, tolerance), key=lambda sign: sign.ratio)


def without_cpu(tolerance: Tolerance) -> Tolerance:
    """Return the tolerance for work that hardly needs a CPU: it minds only when that is severe."""
    cpu = None if tolerance.cpu is None else tolerance.cpu * SEVERE
    return replace(tolerance, cpu=cpu, runnable=tolerance.runnable * SEVERE)


def _signs(pressure: Pressure, tolerance: Tolerance) -> Iterator[Strain]:
    runnable = pressure.runnable if _is_waited_for(pressure) else min(1.0, pressure.runnable)
    yield Strain(
        runnable / tolerance.runnable,
        f"{runnable:.1f} tasks want each CPU ({tolerance.runnable:g} are fine)",
    )
    for name, share, fine in (
        ("a CPU", pressure.cpu, tolerance.cpu),
        ("disk", pressure.io, tolerance.io),
        ("memory", pressure.memory, tolerance.memory),
    ):
        if fine is not None:
            text = f"tasks wait for {name} {share:.0%} of the time ({fine:.0%} is fine)"
            yield Strain(share / fine, text)
    yield Strain(
        pressure.swap / tolerance.swap,
        f"{pressure.swap:.0f} pages a second are swapped ({tolerance.swap:g} are fine)",
    )


def _is_waited_for(pressure: Pressure) -> bool:
    """Tell whether tasks really wait for a CPU: a count of runnable tasks is but a moment's."""
    return not pressure.has_stalls or pressure.cpu >= 0.3
