"""Deploy `tmpfs`: fetch images into the run's folder, for emulators and commands on the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters, Images
from labq.actions.steps import fetched, image_overlay
from labq.actions.steps.bring import bring_overlay, with_overlay
from labq.actions.steps.download import Download
from labq.actions.steps.images import FETCHED, fetch_all, images, remember_images
from labq.actions.steps.work import Work
from labq.actions.values import Maybe, Text
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session

RAMDISKS = ("ramdisk", "initrd")
RAMDISK_OPTIONS = ("-initrd", "--initrd")
READ_OPTIONS = frozenset({"-kernel", "-initrd", "-dtb", "-bios"})
READ_LABELS = frozenset({"kernel", "ramdisk", "initrd", "dtb"})


class TmpfsImage(Artifact):
    """One image; `{label}` in `image_arg` becomes its path."""

    plain_keys: ClassVar = frozenset({"format"})
    plain_formats: ClassVar[tuple[str, ...]] = ("qcow2",)

    image_arg: Text = ""

    def takes_overlay(self, label: str) -> bool:
        """Return whether the tests are appended without being asked for: the image is the ramdisk."""
        if self.overlays:
            return False
        return label in RAMDISKS or any(word in RAMDISK_OPTIONS for word in self.image_arg.split())

    def is_written_to(self, label: str) -> bool:
        """Return whether the file may change: then it must be a copy of the cache's."""
        if self.overlays:
            return True
        option = self.image_arg.split()[:1]
        return not (set(option) & READ_OPTIONS or (not option and label in READ_LABELS))


class TmpfsParameters(DeployParameters):
    """The block of `to: tmpfs`."""

    images: Images[TmpfsImage]
    type: Maybe[Literal["monitor"]] = None
    uefi: Maybe[Artifact] = None


def check(parameters: TmpfsParameters, _device: Mapping[str, object]) -> list[Problem]:
    """Name what cannot be written into an image."""
    return list(fetched.problems(parameters.images))


def fetch(session: Session, parameters: TmpfsParameters) -> None:
    """Fetch the images into the run's folder."""
    work = Work(session)
    folder = session.folder / session.step.namespace
    wanted = {
        label: Download(artifact=image, folder=folder / label, writable=image.is_written_to(label))
        for label, image in parameters.images.items()
    }
    for label, image in parameters.images.items():
        wanted |= image_overlay.wanted(label, image, folder)
    with work.block("deployimages", closes=False):
        fetch_all(work, wanted)


def run(session: Session, parameters: TmpfsParameters) -> None:
    """Build the overlay, write it into the images that ask for it and append it to the ramdisk."""
    work = Work(session)
    with work.block("deployimages", opens=False):
        entries = bring_overlay(work, fetch=False)
        paths = fetched.with_overlays(work, parameters.images, images(session, FETCHED), entries)
        for label, image in parameters.images.items() if entries else ():
            if image.takes_overlay(label):
                paths[label] = with_overlay(work, entries, paths[label])
        remember_images(session, {label: str(path) for label, path in paths.items()})


METHOD = Method(
    name="tmpfs",
    action="deployimages",
    parameters=TmpfsParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
    run=run,
    download=fetch,
    check=check,
)
