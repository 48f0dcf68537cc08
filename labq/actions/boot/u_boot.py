"""Boot `u-boot`: interrupt U-Boot, send the commands that fetch and start the kernel, log in."""

from __future__ import annotations

from collections.abc import Mapping

from labq.actions.method import Method
from labq.actions.parameters import BootParameters
from labq.actions.pending import pending
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind


class UBootParameters(BootParameters):
    """The block of `method: u-boot`; `commands` names a set of the device or is the list."""

    commands: str | list[str]
    reset: bool = True
    use_bootscript: bool = False


def check(parameters: UBootParameters, device: Mapping[str, object]) -> list[Problem]:
    """Compare the name of the command set with what the device has."""
    problems = []
    if parameters.use_bootscript:
        problems.append(Problem(path="use_bootscript", message="not supported by this labq"))
    name = parameters.commands
    if isinstance(name, str) and not isinstance(device.get(name), Mapping):
        known = ", ".join(sorted(key for key in device if key != "parameters")) or "none"
        problems.append(
            Problem(path="commands", message=f"the device has no set {name!r}, it has: {known}")
        )
    return problems


METHOD = Method(
    name="u-boot",
    parameters=UBootParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=pending,
    check=check,
)
