"""What `labq doctor` looks at: small functions that change nothing, in the order to be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from labq.cli.checks import database, hosts, machine, programs, reach, replica, rights, virtual
from labq.cli.checks.finding import Finding, State

Check = Callable[[], Iterable[Finding]]

CHECKS: tuple[Check, ...] = (
    programs.servers,
    programs.programs,
    machine.cores,
    hosts.pressure,
    machine.memory,
    machine.disks,
    machine.shared_memory,
    machine.text,
    machine.kvm,
    rights.serial,
    rights.usb,
    reach.clock,
    reach.messages,
    database.pools,
    replica.replica,
    hosts.known_hosts,
)


def inspect(*, tries_kvm: bool = False) -> list[Finding]:
    """Return what all checks found; one that fails itself does not stop the others."""
    checks = (*CHECKS, virtual.try_kvm) if tries_kvm else CHECKS
    return [finding for check in checks for finding in _look(check)]


def _look(check: Check) -> Iterator[Finding]:
    try:
        yield from check()
    except OSError as error:
        yield Finding(check.__name__.replace("_", " "), State.WEAK, f"cannot be seen: {error}")
