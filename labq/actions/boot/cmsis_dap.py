"""Boot `cmsis-dap`: flash a microcontroller through its CMSIS-DAP drive and start it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from labq.actions.method import Method
from labq.actions.parameters import BootBlock
from labq.actions.steps import board, disk, usb
from labq.actions.steps.dictionary import lookup
from labq.actions.steps.image_arguments import deployed
from labq.actions.steps.work import Work
from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError, Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session

_LOOK_SECONDS = 0.2


class CmsisDapParameters(BootBlock):
    """The block of `method: cmsis-dap`."""


def check(_parameters: CmsisDapParameters, device: Mapping[str, object]) -> list[Problem]:
    """Name what the dictionary lacks."""
    if lookup(device, "parameters", "usb_mass_device"):
        return []
    return [Problem(path="method", message="the device has no usb_mass_device for CMSIS-DAP")]


def run(session: Session, _parameters: CmsisDapParameters) -> None:
    """Reset the board, copy the images to its disk, wait for its serial port, open the console."""
    work = Work(session)
    with work.block(METHOD.action):
        known = lookup(session.step.device, "parameters")
        options = known if isinstance(known, Mapping) else {}
        node = Path(str(options.get("usb_mass_device")))
        usb.board_of(session.plan.dictionary)
        if board.reset(work):
            usb.wait_for_path(work, "wait-device-path", node)
        with disk.mounted(work, node, "device-usbmsd", kind="vfat") as folder:
            _flash(work, folder, waits=options.get("skip_autoremount_wait") is not True)
        if options.get("resets_after_flash") is not False:
            usb.wait_for_serial(work)
        board.open_console(work)


def _flash(work: Work, folder: Path, *, waits: bool) -> None:
    with work.action("flash-cmsis", case=True) as deadline:
        for path in deployed(work.session).values():
            disk.copy(work, path, folder / path.name)
        if waits:
            _await_remount(work, folder, deadline)
        disk.raise_failure(folder)


def _await_remount(work: Work, folder: Path, deadline: Deadline) -> None:
    """Wait until the board has taken its disk away, which is flashing, and shows it again."""
    work.debug("waiting for the board to take its disk away and to show it again")
    for is_empty in (True, False):
        while any(folder.iterdir()) is is_empty:
            if deadline.is_over():
                raise InfrastructureError("the board did not show its disk anew after the copy")
            work.session.run(["sync"], deadline)
            threading.Event().wait(min(_LOOK_SECONDS, deadline.remaining()))


METHOD = Method(
    name="cmsis-dap",
    action="boot-cmsis-retry",
    parameters=CmsisDapParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
    check=check,
)
