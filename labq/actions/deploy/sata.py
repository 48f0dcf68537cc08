"""Deploy `sata`: as `usb`, to another kind of disk."""

from __future__ import annotations

from labq.actions.disk_parameters import DiskParameters
from labq.actions.method import Method
from labq.domain.plan import Queue, StepKind

METHOD = Method(
    name="sata",
    action="storage-deploy",
    parameters=DiskParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
)
