"""Deploy `musca`: copy an image to the mass storage of an Arm Musca board."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters, Parameters
from labq.actions.steps import board, disk, fetched, usb
from labq.actions.steps.image_arguments import deployed
from labq.actions.steps.work import Work
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class MuscaImages(Parameters):
    """What is copied."""

    test_binary: Artifact


class MuscaParameters(DeployParameters):
    """The block of `to: musca`."""

    images: MuscaImages


def check(_parameters: MuscaParameters, device: Mapping[str, object]) -> list[Problem]:
    """Name what the dictionary lacks."""
    if device.get("id_serial"):
        return []
    text = "the device has no id_serial: actions.deploy.methods.musca.id_serial"
    return [Problem(path="to", message=text)]


def fetch(session: Session, parameters: MuscaParameters) -> None:
    """Fetch the images into the run's folder."""
    work = Work(session)
    with work.block(METHOD.action, closes=False):
        fetched.fetch(
            work,
            {"test_binary": parameters.images.test_binary},
            session.folder / session.step.namespace,
        )


def run(session: Session, _parameters: MuscaParameters) -> None:
    """Reset the board, copy the image to its disk, and read there whether the board took it."""
    work = Work(session)
    with work.block(METHOD.action, opens=False):
        usb.board_of(session.plan.dictionary)
        node = usb.DEV / "disk/by-id" / str(session.step.device["id_serial"])
        board.close_console(work)
        board.reset(work)
        usb.wait_for_path(work, "wait-musca-path", node)
        path = deployed(session)["test_binary"]
        with (
            disk.mounted(work, node, "musca-usbmsd") as folder,
            work.action("deploy-musca-test-binary", case=True),
        ):
            disk.copy(work, path, folder / path.name)
        _check_flash(work, node)


def _check_flash(work: Work, node: Path) -> None:
    """Look at the disk that the board shows once it has flashed."""
    usb.wait_for_anew(work, "wait-musca-path", node)
    with (
        disk.mounted(work, node, "musca-usbmsd") as folder,
        work.action("check-musca-flash", case=True),
    ):
        disk.raise_failure(folder)


METHOD = Method(
    name="musca",
    action="musca-deploy",
    parameters=MuscaParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.FASTBOOT,
    run=run,
    download=fetch,
    check=check,
)
