"""Deploy `recovery`: fetch images for a device that is put into its recovery mode."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters, Images
from labq.actions.steps import board, fetched
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.dictionary import texts
from labq.actions.steps.work import Work
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class RecoveryParameters(DeployParameters):
    """The block of `to: recovery`."""

    images: Images[Artifact]


def fetch(session: Session, parameters: RecoveryParameters) -> None:
    """Fetch the images into the run's folder."""
    work = Work(session)
    with work.block(METHOD.action, closes=False):
        fetched.fetch(work, parameters.images, session.folder / session.step.namespace)


def run(session: Session, _parameters: RecoveryParameters) -> None:
    """Build the overlay; open the console where the dictionary's `tags` say that it is of use."""
    work = Work(session)
    with work.block(METHOD.action, opens=False):
        bring_overlay(work, fetch=False)
        if "serial" in texts(session.step.device.get("tags")):
            board.open_console(work)


METHOD = Method(
    name="recovery",
    action="deploy-recovery-mode",
    parameters=RecoveryParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
    run=run,
    download=fetch,
)
