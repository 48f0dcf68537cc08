"""Deploy `usbg-ms`: show the device an image as USB mass storage."""

from __future__ import annotations

from collections.abc import Mapping

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters
from labq.actions.steps import fetched, gadget, tool
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.images import FETCHED, images, remember_images
from labq.actions.steps.work import Work
from labq.domain.errors import InfrastructureError, Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class UsbgMsParameters(DeployParameters):
    """The block of `to: usbg-ms`."""

    image: Artifact


def check(parameters: UsbgMsParameters, device: Mapping[str, object]) -> list[Problem]:
    """Name what the dictionary lacks, and what cannot be done with the image."""
    found = list(fetched.problems({"image": parameters.image}, ""))
    for key in ("enable", "disable"):
        if not gadget.words(device.get(key)):
            text = f"the device has no command: actions.deploy.methods.usbg-ms.{key}"
            found.append(Problem(path="to", message=text))
    return found


def fetch(session: Session, parameters: UsbgMsParameters) -> None:
    """Fetch the image and write the overlay into it, where it asks for that."""
    work = Work(session)
    wanted = {"image": parameters.image}
    with work.block(METHOD.action, closes=False):
        fetched.fetch(work, wanted, session.folder / session.step.namespace)
        entries = bring_overlay(work, fetch=False)
        paths = fetched.with_overlays(work, wanted, images(session, FETCHED), entries)
        remember_images(session, {label: str(path) for label, path in paths.items()})


def run(session: Session, _parameters: UsbgMsParameters) -> None:
    """Show the image to the board as a disk; the end of the run takes it away."""
    work = Work(session)
    with work.block(METHOD.action, opens=False):
        path = str(images(session)["image"])
        enable = gadget.words(session.step.device.get("enable"))
        gadget.remember(session, gadget.words(session.step.device.get("disable")))
        argv = [tool.filled(word, {"IMAGE": path}) for word in enable]
        tool.flash(work, "usbg-ms", [argv], error=InfrastructureError)


METHOD = Method(
    name="usbg-ms",
    action="usbg-ms",
    parameters=UsbgMsParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
    run=run,
    download=fetch,
    check=check,
)
