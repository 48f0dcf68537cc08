"""Boot `musca`: power on a Musca board that was flashed."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import PromptBoot
from labq.actions.steps import board, usb
from labq.actions.steps.work import Work
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class MuscaBootParameters(PromptBoot):
    """The block of `method: musca`."""


def run(session: Session, parameters: MuscaBootParameters) -> None:
    """Reset the board, open its console, and follow the boot where the job has prompts."""
    work = Work(session)
    with work.block(METHOD.action):
        board.reset(work)
        usb.wait_for_serial(work)
        expect = board.open_console(work)
        board.log_in(work, expect, parameters)


METHOD = Method(
    name="musca",
    action="musca-boot",
    parameters=MuscaBootParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
)
