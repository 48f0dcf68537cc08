"""Deploy `vemsd`: copy a recovery image to the mass storage of a Versatile Express board."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters
from labq.domain.plan import Queue, StepKind


class VemsdParameters(DeployParameters):
    """The block of `to: vemsd`."""

    recovery_image: Artifact


METHOD = Method(
    name="vemsd",
    action="vexpress-fw-deploy",
    parameters=VemsdParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.FASTBOOT,
)
