"""Deploy `overlay`: make the overlay of the tests, for a device that fetches it itself."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import DeployParameters
from labq.domain.plan import Queue, StepKind


class OverlayParameters(DeployParameters):
    """The block of `to: overlay`."""


METHOD = Method(
    name="overlay",
    action="overlay",
    parameters=OverlayParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
)
