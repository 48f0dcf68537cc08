"""Deploy `qdl`: fetch an image archive for Qualcomm's emergency download mode."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from labq.actions.method import Method
from labq.actions.overlay.entries import Entry
from labq.actions.parameters import Artifact, DeployParameters
from labq.actions.steps import fetched
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.ext_image import apply_overlay
from labq.actions.steps.images import images
from labq.actions.steps.unpack import unpack_tar
from labq.actions.steps.work import Work, namespaced
from labq.actions.values import Flag, Text
from labq.config import load
from labq.domain.errors import JobError
from labq.domain.plan import Queue, StepKind
from labq.hw import sparse
from labq.hw.session import Session

_ROOTFS = "rootfs.img"


class QcomFlash(Artifact):
    """The archive; with `apply-overlay` the tests are written into its root file system."""

    apply_overlay: Flag = Field(default=False, alias="apply-overlay")


class QdlParameters(DeployParameters):
    """The block of `to: qdl`; `rootfs_image` names the root file system in the archive, empty for none."""

    qcomflash: QcomFlash
    rootfs_image: Text = _ROOTFS
    uniquify: Flag = True


def fetch(session: Session, parameters: QdlParameters) -> None:
    """Fetch the archive, unpack it, and write the overlay into its root file system."""
    work = Work(session)
    with work.block(METHOD.action, closes=False):
        folder = session.folder / "qdl" / session.step.namespace
        fetched.fetch(work, {"qcomflash": parameters.qcomflash}, folder)
        entries = bring_overlay(work, fetch=False)
        unpacked = folder / "unpacked"
        limit = load().cache_bytes
        unpack_tar(images(session)["qcomflash"], unpacked, limit=limit)
        if entries and parameters.qcomflash.apply_overlay and parameters.rootfs_image:
            with work.action("apply-overlay-qdl", case=True):
                _write_overlay(work, entries, unpacked, parameters.rootfs_image)
        session.remember(namespaced(session, "qdl"), str(unpacked))


def run(session: Session, _parameters: QdlParameters) -> None:
    """Do nothing more: the images are pushed by the boot."""
    with Work(session).block(METHOD.action, opens=False):
        pass


def _write_overlay(work: Work, entries: Sequence[Entry], folder: Path, name: str) -> None:
    image = (folder / name).resolve()
    if not image.is_relative_to(folder.resolve()) or not image.is_file():
        raise JobError(f"the archive has no file {name!r} (rootfs_image)")
    made = apply_overlay(work, entries, image, is_sparse=sparse.is_sparse(image))
    if made != image:
        made.replace(image)


METHOD = Method(
    name="qdl",
    action="qdl-deploy",
    parameters=QdlParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.FASTBOOT,
    run=run,
    download=fetch,
)
