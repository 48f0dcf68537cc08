"""Deploy `usbg-ms`: show the device an image as USB mass storage."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters
from labq.domain.plan import Queue, StepKind


class UsbgMsParameters(DeployParameters):
    """The block of `to: usbg-ms`."""

    image: Artifact


METHOD = Method(
    name="usbg-ms",
    action="usbg-ms",
    parameters=UsbgMsParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
)
