"""Boot `recovery`: put the device into its recovery mode, or take it out."""

from __future__ import annotations

from typing import Literal

from labq.actions.method import Method
from labq.actions.parameters import BootBlock
from labq.domain.plan import Queue, StepKind


class RecoveryBootParameters(BootBlock):
    """The block of `method: recovery`; `commands` says which way."""

    commands: Literal["recovery", "exit"]


METHOD = Method(
    name="recovery",
    action="recovery-boot",
    parameters=RecoveryBootParameters,
    kind=StepKind.BOOT,
    queue=Queue.FASTBOOT,
)
