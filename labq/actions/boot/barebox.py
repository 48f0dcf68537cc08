"""Boot `barebox`: interrupt barebox and send its commands."""

from __future__ import annotations

from collections.abc import Mapping

from labq.actions.method import Method
from labq.actions.parameters import BootParameters
from labq.actions.steps.loader_boot import BAREBOX, boot, boot_lines, set_problems
from labq.actions.steps.work import Work
from labq.actions.values import Commands
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class BareboxParameters(BootParameters):
    """The block of `method: barebox`."""

    commands: Commands


def check(parameters: BareboxParameters, device: Mapping[str, object]) -> list[Problem]:
    """Compare the name of the command set with what the device has."""
    return set_problems(parameters.commands, device)


def run(session: Session, parameters: BareboxParameters) -> None:
    """Stop barebox, let it load and start the kernel, log in."""
    work = Work(session)
    with work.block(METHOD.action):
        lines = boot_lines(work, parameters.commands)
        boot(work, parameters, BAREBOX, lines, reset=True)


METHOD = Method(
    name="barebox",
    action="barebox-action",
    parameters=BareboxParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
    check=check,
)
