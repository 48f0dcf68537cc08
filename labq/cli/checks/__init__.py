"""What `labq doctor` looks at: small functions that change nothing, in the order to be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from labq.cli.checks import hosts, machine, programs, rights
from labq.cli.checks.finding import Finding, State

Check = Callable[[], Iterable[Finding]]

CHECKS: tuple[Check, ...] = (
    programs.servers,
    programs.programs,
    machine.cores,
    hosts.pressure,
    machine.memory,
    machine.disks,
    machine.kvm,
    rights.serial,
    rights.usb,
    hosts.known_hosts,
)


def inspect() -> list[Finding]:
    """Return what all checks found; one that fails itself does not stop the others."""
    return [finding for check in CHECKS for finding in _look(check)]


def _look(check: Check) -> Iterator[Finding]:
    try:
        yield from check()
    except OSError as error:
        yield Finding(check.__name__.replace("_", " "), State.WEAK, f"cannot be seen: {error}")
