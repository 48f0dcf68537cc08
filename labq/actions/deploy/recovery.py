"""Deploy `recovery`: fetch images for a device that is put into its recovery mode."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters, Images
from labq.domain.plan import Queue, StepKind


class RecoveryParameters(DeployParameters):
    """The block of `to: recovery`."""

    images: Images[Artifact]


METHOD = Method(
    name="recovery",
    action="deploy-recovery-mode",
    parameters=RecoveryParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
)
