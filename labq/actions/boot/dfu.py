"""Boot `dfu`: push images to a device by USB firmware upgrade and start it."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import BootBlock
from labq.domain.plan import Queue, StepKind


class DfuParameters(BootBlock):
    """The block of `method: dfu`."""


METHOD = Method(
    name="dfu",
    action="boot-dfu-retry",
    parameters=DfuParameters,
    kind=StepKind.BOOT,
    queue=Queue.FASTBOOT,
)
