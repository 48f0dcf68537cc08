"""Deploy `mps`: copy images to the mass storage of an Arm MPS board."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters
from labq.actions.steps import board, disk, fetched, usb
from labq.actions.steps.dictionary import lookup
from labq.actions.steps.image_arguments import deployed
from labq.actions.steps.power import power_off
from labq.actions.steps.recovery_image import unpack_recovery
from labq.actions.steps.work import Work
from labq.actions.values import Level, Text, is_run, refusals, refused
from labq.domain.errors import JobError
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session

_RECOVERY = "recovery_image"
_TEST_BINARY = re.compile(r"test_binary(_\w+)?$")


class MpsImage(Artifact):
    """One image; `rename` is its name on the board."""

    rename: Text = ""


def _known_labels(value: object, info: ValidationInfo) -> object:
    if is_run(info) or not isinstance(value, dict):
        return value
    if not value:
        raise refused("must not be empty")
    known = {key: one for key, one in value.items() if _is_known(key)}
    if info.context is Level.STRICT and len(known) < len(value):
        odd = [key for key in value if key not in known]
        raise refusals(
            *(((str(key),), "must be recovery_image, test_binary or test_binary_*") for key in odd)
        )
    return known


def _is_known(key: object) -> bool:
    return type(key) is str and (key == "recovery_image" or bool(_TEST_BINARY.match(key)))


class MpsParameters(DeployParameters):
    """The block of `to: mps`: images `recovery_image`, `test_binary` and `test_binary_*`."""

    images: Annotated[dict[str, MpsImage], BeforeValidator(_known_labels)]


def fetch(session: Session, parameters: MpsParameters) -> None:
    """Fetch the images into the run's folder."""
    work = Work(session)
    with work.block(METHOD.action, closes=False):
        fetched.fetch(work, parameters.images, session.folder / session.step.namespace)


def run(session: Session, parameters: MpsParameters) -> None:
    """Reset the board, write its disk, and restart it: by a file on that, or by its power."""
    work = Work(session)
    with work.block(METHOD.action, opens=False):
        label = disk.label_of(session.plan.dictionary)
        board.close_console(work)
        board.reset(work)
        node = usb.DEV / "disk/by-label" / label
        usb.wait_for_path(work, "wait-usb-mass-storage-device", node)
        text = lookup(session.step.device, "parameters", "reboot-string")
        is_hard = lookup(session.step.device, "parameters", "hard-reboot") is not False or not text
        with disk.mounted(work, node, "vexpress-usbmsd") as folder:
            _write(work, parameters, folder)
            if not is_hard:
                _ask_for_reboot(work, folder, str(text))
        if is_hard:
            power_off(work)


def _write(work: Work, parameters: MpsParameters, folder: Path) -> None:
    paths = deployed(work.session)
    if _RECOVERY in paths:
        kind = parameters.images[_RECOVERY].compression
        source = unpack_recovery(work, paths.pop(_RECOVERY), kind)
        with work.action("deploy-vexpress-recovery-image", case=True):
            disk.replace_all(work, source, folder)
    for label, path in paths.items():
        with work.action("deploy-mps-test-binary", case=True):
            target = (folder / (parameters.images[label].rename or path.name)).resolve()
            if not target.is_relative_to(folder.resolve()):
                raise JobError(f"rename of {label!r} leads out of the board's disk: {target}")
            disk.copy(work, path, target)


def _ask_for_reboot(work: Work, folder: Path, text: str) -> None:
    with work.action("deploy-mps-reboot-txt", case=True) as deadline:
        work.session.run(["sync", str(folder)], deadline)
        disk.write(folder / "reboot.txt", text)


METHOD = Method(
    name="mps",
    action="mps-deploy",
    parameters=MpsParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.FASTBOOT,
    run=run,
    download=fetch,
)
