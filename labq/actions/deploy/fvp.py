"""Deploy `fvp`: fetch the images of an Arm model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters, Images, Parameters
from labq.actions.steps import fetched
from labq.actions.steps.bring import bring_overlay, with_overlay
from labq.actions.steps.images import FETCHED, images, remember_images
from labq.actions.steps.work import Work
from labq.actions.values import Flag, Maybe, Text
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session

_RAMDISK = "ramdisk"


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


def check(parameters: FvpParameters, _device: Mapping[str, object]) -> list[Problem]:
    """Name what cannot be done with an image."""
    found = list(fetched.problems(parameters.images))
    if parameters.ramdisk is not None and parameters.ramdisk.header:
        text = "a ramdisk with U-Boot's header is not supported by this labq for models"
        found.append(Problem(path="ramdisk.header", message=text))
    return found


def fetch(session: Session, parameters: FvpParameters) -> None:
    """Fetch the images."""
    work = Work(session)
    folder = session.folder / session.step.namespace
    with work.block(METHOD.action, closes=False):
        fetched.fetch(work, parameters.images, folder, uniquify=parameters.uniquify)


def run(session: Session, parameters: FvpParameters) -> None:
    """Write the overlay into the images that ask for it, and into the ramdisk of the block."""
    work = Work(session)
    with work.block(METHOD.action, opens=False):
        entries = bring_overlay(work, fetch=False)
        before = images(session, FETCHED)
        paths = fetched.with_overlays(work, parameters.images, before, entries)
        ramdisk = parameters.ramdisk
        if entries and ramdisk is not None and ramdisk.install_overlay and _RAMDISK in paths:
            paths[_RAMDISK] = with_overlay(work, entries, paths[_RAMDISK])
        remember_images(session, {label: str(path) for label, path in paths.items()})


METHOD = Method(
    name="fvp",
    action="fvp-deploy",
    parameters=FvpParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
    run=run,
    download=fetch,
    check=check,
)
