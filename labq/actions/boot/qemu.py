"""Boot `qemu`: start the emulator that is the device, and log in on its console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from labq.actions.method import Method
from labq.actions.parameters import BootParameters
from labq.actions.pending import pending
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind


class QemuParameters(BootParameters):
    """The block of `method: qemu`."""

    media: Literal["tmpfs"] | None = None
    connection: Literal["serial"] | None = None
    docker: dict[str, object] | None = None


def check(parameters: QemuParameters, _device: Mapping[str, object]) -> list[Problem]:
    """Name what labq does not drive."""
    if parameters.docker is None:
        return []
    return [Problem(path="docker", message="QEMU in a container is not supported by this labq")]


METHOD = Method(
    name="qemu",
    parameters=QemuParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=pending,
    check=check,
)
