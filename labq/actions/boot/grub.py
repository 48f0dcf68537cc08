"""Boot `grub`: interrupt GRUB, send the commands that start the kernel, log in."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.steps import grub
from labq.actions.steps.loader_boot import GRUB
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


def run(session: Session, parameters: grub.GrubParameters) -> None:
    """Stop GRUB, let it load and start the kernel, log in."""
    grub.run(session, parameters, GRUB, METHOD.action)


METHOD = Method(
    name="grub",
    action="grub-main-action",
    parameters=grub.GrubParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
    check=grub.check,
)
