"""Deploy `u-boot-ums`: write an image to a disk that U-Boot offers as USB mass storage."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import DeployParameters, DiskImage
from labq.domain.plan import Queue, StepKind


class UbootUmsParameters(DeployParameters):
    """The block of `to: u-boot-ums`."""

    image: DiskImage


METHOD = Method(
    name="u-boot-ums",
    action="uboot-ums-deploy",
    parameters=UbootUmsParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.FASTBOOT,
)
