"""Boot `monitor`: read what a board prints, without starting it."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import BootBlock
from labq.domain.plan import Queue, StepKind


class MonitorParameters(BootBlock):
    """The block of `method: monitor`."""


METHOD = Method(
    name="monitor",
    action="lava-test-monitor",
    parameters=MonitorParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
