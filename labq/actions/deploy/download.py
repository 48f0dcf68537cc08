"""Deploy `download`: fetch images into the run's folder and send nothing to the device."""

from __future__ import annotations

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import Artifact, Parameters
from labq.actions.pending import pending
from labq.domain.plan import Queue, StepKind


class DownloadParameters(Parameters):
    """The block of `to: download`."""

    images: dict[str, Artifact] = Field(min_length=1)


METHOD = Method(
    name="download",
    parameters=DownloadParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
    run=pending,
    download=pending,
)
