"""Boot `ipxe`: interrupt iPXE, send the commands that start the kernel, log in."""

from __future__ import annotations

from collections.abc import Mapping

from labq.actions.method import Method
from labq.actions.parameters import BootParameters
from labq.actions.steps.loader_boot import IPXE, boot, boot_lines, set_problems
from labq.actions.steps.work import Work
from labq.actions.values import Commands, Flag
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class IpxeParameters(BootParameters):
    """The block of `method: ipxe`; with `use_bootscript` iPXE fetches them as a script."""

    commands: Commands
    use_bootscript: Flag = False


def check(parameters: IpxeParameters, device: Mapping[str, object]) -> list[Problem]:
    """Compare the name of the command set with what the device has."""
    return set_problems(parameters.commands, device)


def run(session: Session, parameters: IpxeParameters) -> None:
    """Stop iPXE, let it load and start the kernel, log in."""
    work = Work(session)
    with work.block(METHOD.action):
        lines = boot_lines(work, parameters.commands, as_script=parameters.use_bootscript)
        boot(work, parameters, IPXE, lines, reset=True)


METHOD = Method(
    name="ipxe",
    action="bootloader-action",
    parameters=IpxeParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
    check=check,
)
