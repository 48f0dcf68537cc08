"""Boot `barebox`: interrupt barebox and send its commands."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import BootParameters
from labq.actions.values import Commands
from labq.domain.plan import Queue, StepKind


class BareboxParameters(BootParameters):
    """The block of `method: barebox`."""

    commands: Commands


METHOD = Method(
    name="barebox",
    parameters=BareboxParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
