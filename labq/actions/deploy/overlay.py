"""Deploy `overlay`: make the overlay of the tests, for a device that fetches it itself."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import DeployParameters
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.images import fetch_all
from labq.actions.steps.work import Work
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class OverlayParameters(DeployParameters):
    """The block of `to: overlay`."""


def fetch(session: Session, _parameters: OverlayParameters) -> None:
    """Fetch the definitions of the tests."""
    work = Work(session)
    with work.block(METHOD.action, closes=False):
        fetch_all(work, {})


def run(session: Session, _parameters: OverlayParameters) -> None:
    """Build the overlay; `transfer_overlay` of the boot brings it to the device."""
    work = Work(session)
    with work.block(METHOD.action, opens=False):
        bring_overlay(work, fetch=False)


METHOD = Method(
    name="overlay",
    action="overlay",
    parameters=OverlayParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
    run=run,
    download=fetch,
)
