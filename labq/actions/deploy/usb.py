"""Deploy `usb`: write an image to a disk of the running device, by tools on it."""

from __future__ import annotations

from labq.actions.disk_parameters import DiskParameters
from labq.actions.method import Method
from labq.domain.plan import Queue, StepKind

METHOD = Method(
    name="usb",
    action="storage-deploy",
    parameters=DiskParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
)
