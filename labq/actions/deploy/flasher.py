"""Deploy `flasher`: run the device's own flash commands on the images."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters
from labq.actions.values import Flag, Labelled
from labq.domain.plan import Queue, StepKind


class FlasherImage(Artifact):
    """One image; with `download: false` the command gets its URL."""

    download: Flag = True


class FlasherParameters(DeployParameters):
    """The block of `to: flasher`."""

    images: Labelled[FlasherImage]
    uniquify: Flag = True


METHOD = Method(
    name="flasher",
    action="deploy-flasher",
    parameters=FlasherParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.FASTBOOT,
)
