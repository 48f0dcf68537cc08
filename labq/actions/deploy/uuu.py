"""Deploy `uuu`: fetch images for NXP's universal update utility."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters
from labq.actions.steps import fetched
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.ext_image import apply_overlay
from labq.actions.steps.images import FETCHED, images, remember_images
from labq.actions.steps.work import Work
from labq.actions.values import Flag, Index, Labelled, Maybe, refused
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class UuuImage(Artifact):
    """One image; with `apply-overlay` the tests are written into it."""

    apply_overlay: Flag = Field(default=False, alias="apply-overlay")
    root_partition: Maybe[Index] = None


def _has_boot(value: dict[str, UuuImage]) -> dict[str, UuuImage]:
    if "boot" not in value:
        raise refused("needs the key 'boot'")
    return value


class UuuParameters(DeployParameters):
    """The block of `to: uuu`; the image `boot` starts the board."""

    images: Annotated[Labelled[UuuImage], AfterValidator(_has_boot)]


def check(parameters: UuuParameters, _device: Mapping[str, object]) -> list[Problem]:
    """Name what cannot be done with an image."""
    return list(fetched.problems(parameters.images))


def fetch(session: Session, parameters: UuuParameters) -> None:
    """Fetch the images and write the overlay into those that ask for it."""
    work = Work(session)
    with work.block(METHOD.action, closes=False):
        written = [label for label, one in parameters.images.items() if one.apply_overlay]
        folder = session.folder / session.step.namespace
        fetched.fetch(work, parameters.images, folder, writable=written)
        entries = bring_overlay(work, fetch=False)
        paths = fetched.with_overlays(work, parameters.images, images(session, FETCHED), entries)
        for label, image in parameters.images.items() if entries else ():
            if image.apply_overlay:
                partition = image.root_partition
                paths[label] = apply_overlay(
                    work, entries, paths[label], is_sparse=False, partition=partition
                )
        remember_images(session, {label: str(path) for label, path in paths.items()})


def run(session: Session, _parameters: UuuParameters) -> None:
    """Do nothing more: the images are pushed by the boot."""
    with Work(session).block(METHOD.action, opens=False):
        pass


METHOD = Method(
    name="uuu",
    action="uuu-deploy",
    parameters=UuuParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.FASTBOOT,
    run=run,
    download=fetch,
    check=check,
)
