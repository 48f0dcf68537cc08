"""Deploy `fvp`: fetch the images of an Arm model."""

from __future__ import annotations

from typing import Literal

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters, Images, Parameters
from labq.actions.values import Flag, Maybe, Text
from labq.domain.plan import Queue, StepKind


class FvpRamdisk(Parameters):
    """How the overlay comes into the ramdisk."""

    install_overlay: Flag = True
    compression: Text = ""
    header: Maybe[Literal["u-boot"]] = None


class FvpParameters(DeployParameters):
    """The block of `to: fvp`."""

    images: Images[Artifact]
    ramdisk: Maybe[FvpRamdisk] = None
    uniquify: Flag = True


METHOD = Method(
    name="fvp",
    action="fvp-deploy",
    parameters=FvpParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
)
