"""Boot `grub-efi`: GRUB started from the menu of UEFI."""

from __future__ import annotations

from labq.actions.boot.grub import GrubParameters
from labq.actions.method import Method
from labq.domain.plan import Queue, StepKind


class GrubEfiParameters(GrubParameters):
    """The block of `method: grub-efi`."""


METHOD = Method(
    name="grub-efi",
    parameters=GrubEfiParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
