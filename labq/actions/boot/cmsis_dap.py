"""Boot `cmsis-dap`: flash a microcontroller through its CMSIS-DAP drive and start it."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import BootBlock
from labq.domain.plan import Queue, StepKind


class CmsisDapParameters(BootBlock):
    """The block of `method: cmsis-dap`."""


METHOD = Method(
    name="cmsis-dap",
    action="boot-cmsis-retry",
    parameters=CmsisDapParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
