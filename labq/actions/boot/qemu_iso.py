"""Boot `qemu-iso`: run an installer in QEMU, then the installed system."""

from __future__ import annotations

from typing import Literal

from labq.actions.method import Method
from labq.actions.parameters import LoginBoot
from labq.domain.plan import Queue, StepKind


class QemuIsoParameters(LoginBoot):
    """The block of `method: qemu-iso`."""

    media: Literal["img"]


METHOD = Method(
    name="qemu-iso",
    action="boot-installer-iso",
    parameters=QemuIsoParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
