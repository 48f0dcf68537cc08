"""Deploy `tftp`: put kernel, device tree and ramdisk where the boot loader fetches them by TFTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import Artifact, Parameters
from labq.actions.pending import pending
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind


class TftpKernel(Artifact):
    """The kernel; `type` picks the boot command: booti, bootm or bootz."""

    type: Literal["image", "uimage", "zimage"] | None = None


class TftpRamdisk(Artifact):
    """The ramdisk; the test overlay is appended unless `install_overlay` is off."""

    install_overlay: bool = True
    install_modules: bool = True
    header: Literal["u-boot"] | None = None


class TftpParameters(Parameters):
    """The block of `to: tftp`."""

    kernel: TftpKernel
    ramdisk: TftpRamdisk | None = None
    dtb: Artifact | None = None
    dtbo: list[Artifact] = Field(default_factory=list)
    tee: Artifact | None = None
    modules: Artifact | None = None
    extra_files: dict[str, Artifact] = Field(default_factory=dict)
    nfsrootfs: Artifact | None = None
    persistent_nfs: dict[str, object] | None = None
    preseed: Artifact | None = None


def check(parameters: TftpParameters, _device: Mapping[str, object]) -> list[Problem]:
    """Name the parts of LAVA's method that labq does not drive."""
    return [
        Problem(path=key, message="not supported by this labq")
        for key in ("nfsrootfs", "persistent_nfs", "preseed")
        if getattr(parameters, key) is not None
    ]


METHOD = Method(
    name="tftp",
    parameters=TftpParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
    run=pending,
    download=pending,
    check=check,
)
