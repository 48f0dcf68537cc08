"""Boot `monitor`: read what a board prints, without starting it."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import BootBlock
from labq.actions.steps import emulator
from labq.actions.steps.qemu_command import command_line
from labq.actions.steps.work import Work
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class MonitorParameters(BootBlock):
    """The block of `method: monitor`."""


def run(session: Session, _parameters: MonitorParameters) -> None:
    """Start the emulator; what it prints is for the monitors that follow."""
    work = Work(session)
    with work.block(METHOD.action):
        emulator.start(work, command_line(session), {})


METHOD = Method(
    name="monitor",
    action="lava-test-monitor",
    parameters=MonitorParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
)
