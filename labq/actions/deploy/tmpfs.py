"""Deploy `tmpfs`: fetch images into the run's folder, for emulators and commands on the host."""

from __future__ import annotations

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import Artifact, Parameters
from labq.actions.pending import pending
from labq.domain.plan import Queue, StepKind


class TmpfsImage(Artifact):
    """One image; `{label}` in `image_arg` becomes its path."""

    image_arg: str = ""


class TmpfsParameters(Parameters):
    """The block of `to: tmpfs`."""

    images: dict[str, TmpfsImage] = Field(min_length=1)


METHOD = Method(
    name="tmpfs",
    parameters=TmpfsParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
    run=pending,
    download=pending,
)
