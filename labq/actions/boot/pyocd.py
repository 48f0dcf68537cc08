"""Boot `pyocd`: flash a microcontroller by pyOCD and start it."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import BootBlock
from labq.domain.plan import Queue, StepKind


class PyocdParameters(BootBlock):
    """The block of `method: pyocd`."""


METHOD = Method(
    name="pyocd",
    action="boot-pyocd-image",
    parameters=PyocdParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
