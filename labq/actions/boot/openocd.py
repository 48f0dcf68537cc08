"""Boot `openocd`: flash a microcontroller by OpenOCD and start it."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import BootBlock
from labq.domain.plan import Queue, StepKind


class OpenocdParameters(BootBlock):
    """The block of `method: openocd`."""


METHOD = Method(
    name="openocd",
    action="boot-openocd-image",
    parameters=OpenocdParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
