"""Boot `ipxe`: interrupt iPXE, send the commands that start the kernel, log in."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import BootParameters
from labq.actions.values import Commands, Flag
from labq.domain.plan import Queue, StepKind


class IpxeParameters(BootParameters):
    """The block of `method: ipxe`; with `use_bootscript` iPXE fetches them as a script."""

    commands: Commands
    use_bootscript: Flag = False


METHOD = Method(
    name="ipxe",
    parameters=IpxeParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
