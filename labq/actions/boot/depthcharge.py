"""Boot `depthcharge`: a Chromebook's loader fetches kernel and command line by TFTP."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import BootParameters
from labq.actions.values import Commands, Flag, Text
from labq.domain.plan import Queue, StepKind


class DepthchargeParameters(BootParameters):
    """The block of `method: depthcharge`."""

    commands: Commands
    extra_kernel_args: Text = ""
    use_bootscript: Flag = False


METHOD = Method(
    name="depthcharge",
    action="depthcharge-action",
    parameters=DepthchargeParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
