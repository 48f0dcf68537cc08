"""Boot `qemu-nfs`: QEMU with a root file system by NFS."""

from __future__ import annotations

from typing import Literal

from labq.actions.method import Method
from labq.actions.parameters import BootParameters
from labq.actions.values import Maybe
from labq.domain.plan import Queue, StepKind


class QemuNfsParameters(BootParameters):
    """The block of `method: qemu-nfs`."""

    connection: Maybe[Literal["serial"]] = None


METHOD = Method(
    name="qemu-nfs",
    action="qemu-nfs",
    parameters=QemuNfsParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
