"""Boot `minimal`: connect, reset or power on, log in; the device knows what it boots."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import BootParameters
from labq.actions.pending import pending
from labq.domain.plan import Queue, StepKind


class MinimalParameters(BootParameters):
    """The block of `method: minimal`."""

    reset: bool = True
    pre_power_command: bool = False
    pre_os_command: bool = False


METHOD = Method(
    name="minimal",
    parameters=MinimalParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=pending,
)
