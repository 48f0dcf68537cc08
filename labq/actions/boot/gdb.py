"""Boot `gdb`: load an image into a microcontroller by a debugger."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import BootBlock
from labq.actions.values import Text
from labq.domain.plan import Queue, StepKind


class GdbParameters(BootBlock):
    """The block of `method: gdb`; `commands` names a set of the device."""

    commands: Text
    container: Text = ""


METHOD = Method(
    name="gdb",
    action="boot-gdb",
    parameters=GdbParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
