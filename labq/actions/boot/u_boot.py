"""Boot `u-boot`: interrupt U-Boot, send the commands that fetch and start the kernel, log in."""

from __future__ import annotations

from collections.abc import Mapping

from labq.actions.method import Method
from labq.actions.parameters import BootParameters
from labq.actions.steps.loader_boot import UBOOT, boot, boot_lines, set_problems
from labq.actions.steps.work import Work
from labq.actions.values import Commands, Flag
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class UBootParameters(BootParameters):
    """The block of `method: u-boot`; `commands` names a set of the device or is the list."""

    commands: Commands
    reset: Flag = True
    use_bootscript: Flag = False


def check(parameters: UBootParameters, device: Mapping[str, object]) -> list[Problem]:
    """Compare the name of the command set with what the device has."""
    return set_problems(parameters.commands, device)


def run(session: Session, parameters: UBootParameters) -> None:
    """Stop U-Boot, let it load and start the kernel, log in."""
    work = Work(session)
    with work.block(METHOD.action):
        lines = boot_lines(work, parameters.commands, as_script=parameters.use_bootscript)
        boot(work, parameters, UBOOT, lines, reset=parameters.reset)


METHOD = Method(
    name="u-boot",
    action="uboot-action",
    parameters=UBootParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
    check=check,
)
