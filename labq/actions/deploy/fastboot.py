"""Deploy `fastboot`: push images into the partitions of a device that is in fastboot mode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import Artifact, BootParameters, DeployParameters, Docker, Images
from labq.actions.steps import fetched
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.dictionary import texts
from labq.actions.steps.ext_image import apply_overlay
from labq.actions.steps.fastboot import Client, check_device, client_of, enter
from labq.actions.steps.images import FETCHED, images, remember_images
from labq.actions.steps.work import Work
from labq.actions.values import Flag, Index, Maybe
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session

NO_FLASH_BOOT = "no-flash-boot"
_REBOOTS: Mapping[str, tuple[str, ...]] = {
    "fastboot-reboot": ("reboot",),
    "fastboot-reboot-bootloader": ("reboot", "bootloader"),
    "fastboot-reboot-fastboot": ("reboot", "fastboot"),
}


class FastbootImage(Artifact):
    """One image, flashed to the partition that its label names.

    With `apply-overlay` (or `overlays: {lava: true}`) the tests are written into its ext file
    system; `sparse` says that the device then gets it as a sparse image. `reboot` is done after it
    was flashed.
    """

    plain_keys: ClassVar = frozenset({"sparse"})

    apply_overlay: Flag = Field(default=False, alias="apply-overlay")
    root_partition: Maybe[Index] = None
    sparse: Flag = True
    reboot: Maybe[
        Literal[
            "hard-reset",
            "fastboot-reboot",
            "fastboot-reboot-bootloader",
            "fastboot-reboot-fastboot",
        ]
    ] = None


class FastbootParameters(DeployParameters):
    """The block of `to: fastboot`; `docker` changes nothing, the host's client is used."""

    images: Images[FastbootImage]
    docker: Maybe[Docker] = None


def check(parameters: FastbootParameters, device: Mapping[str, object]) -> list[Problem]:
    """Name what the device lacks, and what labq cannot do with an image."""
    problems = [*check_device(device), *fetched.problems(parameters.images)]
    for label, image in parameters.images.items():
        path = f"images.{label}"
        if image.reboot == "hard-reset" and not device.get("can_reset"):
            text = "the device has no hard_reset"
            problems.append(Problem(path=f"{path}.reboot", message=text))
    return problems


def fetch(session: Session, parameters: FastbootParameters) -> None:
    """Fetch the images and write the overlay into those that ask for it.

    All that needs no device is done here: the deploy itself owns a core of the host.
    """
    work = Work(session)
    folder = session.folder / session.step.namespace
    with work.block("fastboot-deploy", closes=False):
        written = [label for label, one in parameters.images.items() if one.apply_overlay]
        fetched.fetch(work, parameters.images, folder, writable=written)
        entries = bring_overlay(work, fetch=False)
        paths = fetched.with_overlays(work, parameters.images, images(session, FETCHED), entries)
        for label in written if entries else ():
            image = parameters.images[label]
            sparse, partition = image.sparse, image.root_partition
            if not image.takes_lava_overlay:
                paths[label] = apply_overlay(
                    work, entries, paths[label], is_sparse=sparse, partition=partition
                )
        remember_images(session, {label: str(path) for label, path in paths.items()})


def run(session: Session, parameters: FastbootParameters) -> None:
    """Bring the device into fastboot mode and flash one image after the other."""
    work = Work(session)
    with work.block("fastboot-deploy", opens=False):
        if parameters.docker is not None:
            work.info("the fastboot client of this host is used, not the one in the container")
        enter(work, BootParameters())
        client = client_of(work)
        paths = images(session)
        with work.action("fastboot-flash-order-action"):
            for label in _in_order(session.step.device, parameters.images):
                _flash(client, label, paths[label])
                _reboot(client, parameters.images[label].reboot)


def _in_order(device: Mapping[str, object], labels: Iterable[str]) -> list[str]:
    """Return the labels in the device's order, those that it does not name after them, by name."""
    wanted = sorted(labels)
    order = [label for label in texts(device.get("flash_cmds_order")) if label in wanted]
    return list(dict.fromkeys([*order, *wanted]))


def _flash(client: Client, label: str, path: Path) -> None:
    if label == "boot" and NO_FLASH_BOOT in texts(client.work.session.step.device.get("sequence")):
        client.work.info("image boot is not flashed: the device boots it from memory")
        return
    client.run("fastboot-flash-action", *_flash_words(label), str(path))


def _flash_words(label: str) -> tuple[str, ...]:
    if label == "update":
        return ("update",)
    # Several images for the one partition cdt are told apart behind a colon.
    return ("flash", "cdt" if label.startswith("cdt:") else label)


def _reboot(client: Client, reboot: str | None) -> None:
    if reboot == "hard-reset":
        enter(client.work, BootParameters())
    elif reboot is not None:
        client.run(reboot, *_REBOOTS[reboot])


METHOD = Method(
    name="fastboot",
    action="fastboot-deploy",
    parameters=FastbootParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.FASTBOOT,
    run=run,
    download=fetch,
    check=check,
)
