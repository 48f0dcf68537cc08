"""Deploy `download`: fetch images into the run's folder and send nothing to the device."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters, Images
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.download import Download
from labq.actions.steps.images import fetch_all
from labq.actions.steps.work import Work
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class DownloadParameters(DeployParameters):
    """The block of `to: download`."""

    images: Images[Artifact]


def fetch(session: Session, parameters: DownloadParameters) -> None:
    """Fetch the images into the run's folder."""
    work = Work(session)
    folder = session.folder / session.step.namespace
    wanted = {
        label: Download(artifact=image, folder=folder / label)
        for label, image in parameters.images.items()
    }
    with work.block("download-deploy", closes=False):
        fetch_all(work, wanted)


def run(session: Session, _parameters: DownloadParameters) -> None:
    """Build the overlay for what comes later."""
    work = Work(session)
    with work.block("download-deploy", opens=False):
        bring_overlay(work, fetch=False)


METHOD = Method(
    name="download",
    action="download-deploy",
    parameters=DownloadParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
    run=run,
    download=fetch,
)
