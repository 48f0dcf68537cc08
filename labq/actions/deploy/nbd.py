"""Deploy `nbd`: a kernel by TFTP and a root file system by a network block device."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters, Kernel
from labq.actions.values import Maybe
from labq.domain.plan import Queue, StepKind


class NbdParameters(DeployParameters):
    """The block of `to: nbd`; `nbdroot` is served to this job alone."""

    kernel: Kernel
    nbdroot: Artifact
    initrd: Artifact
    dtb: Maybe[Artifact] = None


METHOD = Method(
    name="nbd",
    action="nbd-deploy",
    parameters=NbdParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
)
