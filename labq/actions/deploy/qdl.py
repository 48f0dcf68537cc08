"""Deploy `qdl`: fetch an image archive for Qualcomm's emergency download mode."""

from __future__ import annotations

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters
from labq.actions.values import Flag, Text
from labq.domain.plan import Queue, StepKind


class QcomFlash(Artifact):
    """The archive; with `apply-overlay` the tests are written into its root file system."""

    apply_overlay: Flag = Field(default=False, alias="apply-overlay")


class QdlParameters(DeployParameters):
    """The block of `to: qdl`; `rootfs_image` names the root file system in the archive."""

    qcomflash: QcomFlash
    rootfs_image: Text = ""
    uniquify: Flag = True


METHOD = Method(
    name="qdl",
    action="qdl-deploy",
    parameters=QdlParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.FASTBOOT,
)
