"""Deploy `musca`: copy an image to the mass storage of an Arm Musca board."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters, Parameters
from labq.domain.plan import Queue, StepKind


class MuscaImages(Parameters):
    """What is copied."""

    test_binary: Artifact


class MuscaParameters(DeployParameters):
    """The block of `to: musca`."""

    images: MuscaImages


METHOD = Method(
    name="musca",
    action="musca-deploy",
    parameters=MuscaParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.FASTBOOT,
)
