"""Waits for USB devices of a board to appear on the host, as the kernel shows them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from labq.actions.steps.work import Work
from labq.domain.deadline import Deadline
from labq.domain.errors import ConfigurationError, InfrastructureError

SYS = Path("/sys")
DEV = Path("/dev")
UNSET_BOARDS = ("", "0000000000", "00000000", "Undefined")
UNSET_IDS = ("", "0000")
_LOOK_SECONDS = 0.2
GONE_SECONDS = 5.0
"""How long a disk that takes an image may go on showing the old content."""
_SERIAL_DRIVER = "cdc_acm"


@dataclass(frozen=True, slots=True)
class Identity:
    """What names a USB device: its serial number, vendor and product, each empty for any."""

    serial: str = ""
    vendor: str = ""
    product: str = ""

    def is_of(self, folder: Path) -> bool:
        """Tell whether the device in this folder of sysfs is meant.

        A device without a serial number may have one in its product's name, as Qualcomm's have.
        """
        wanted = ((self.vendor, "idVendor"), (self.product, "idProduct"))
        if any(value and _read(folder / name) != value.lower() for value, name in wanted):
            return False
        return not self.serial or self.serial in (_raw(folder, "serial"), _raw(folder, "product"))

    @override
    def __str__(self) -> str:
        """Return it for readers."""
        ids = f"{self.vendor or '*'}:{self.product or '*'}"
        return f"{ids} with serial {self.serial}" if self.serial else ids


def board_of(dictionary: Mapping[str, object], *, ids: bool = False) -> Identity:
    """Return what names the board of a dictionary; with `ids` vendor and product are needed, too.

    Raises ConfigurationError for what is not set.
    """
    keys = ("board_id", "usb_vendor_id", "usb_product_id")
    serial, vendor, product = (str(dictionary.get(key) or "") for key in keys)
    unset = ["board_id"] if serial in UNSET_BOARDS else []
    if ids:
        unset += ["usb_vendor_id"] if vendor in UNSET_IDS else []
        unset += ["usb_product_id"] if product in UNSET_IDS else []
    if unset:
        raise ConfigurationError(f"the device's {', '.join(unset)} is not set in its dictionary")
    return Identity(serial, vendor, product) if ids else Identity(serial)


def wait_for_board(work: Work) -> None:
    """Wait until the board's own USB device is there."""
    wait_for_device(work, "wait-device-boardid", board_of(work.session.plan.dictionary))


def wait_for_device(work: Work, action: str, wanted: Identity) -> None:
    """Wait until a USB device is there, as the inner action."""
    _wait(work, action, f"USB device {wanted}", lambda: any(map(wanted.is_of, _devices())))


def wait_for_serial(work: Work) -> None:
    """Wait until the board's serial port over USB is there."""
    dictionary = work.session.plan.dictionary
    wanted = board_of(dictionary, ids=True)
    driver = str(dictionary.get("usb_serial_driver") or _SERIAL_DRIVER)
    what = f"serial port ({driver}) of USB device {wanted}"
    _wait(work, "wait-usb-serial", what, lambda: any(_ports(wanted, driver)))


def wait_for_path(work: Work, action: str, path: Path) -> None:
    """Wait until a device node is there."""
    _wait(work, action, str(path), path.exists)


def wait_for_anew(work: Work, action: str, path: Path) -> None:
    """Wait until a device node has gone and come back, or stays for some seconds."""
    gone = Deadline.after(GONE_SECONDS)
    while path.exists() and not gone.is_over():
        threading.Event().wait(min(_LOOK_SECONDS, gone.remaining()))
    wait_for_path(work, action, path)


def _wait(work: Work, action: str, what: str, is_there: Callable[[], bool]) -> None:
    seconds = work.seconds(action)
    with work.action(action, case=True) as deadline:
        work.debug(f"waiting for {what}")
        while not is_there():
            if deadline.is_over():
                raise InfrastructureError(f"{what} did not appear within {round(seconds)} seconds")
            threading.Event().wait(min(_LOOK_SECONDS, deadline.remaining()))


def _devices() -> Iterator[Path]:
    return (SYS / "bus/usb/devices").glob("*")


def _ports(wanted: Identity, driver: str) -> Iterator[Path]:
    """Yield the terminals of a USB device that this driver runs."""
    for port in (SYS / "class/tty").glob("*"):
        node = (port / "device").resolve()
        chain = [node, *node.parents][:6]
        if driver in {(one / "driver").resolve().name for one in chain[:2]}:
            yield from (port for one in chain if _read(one / "idVendor") and wanted.is_of(one))


def _raw(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(errors="replace").strip()
    except OSError:
        return ""


def _read(path: Path) -> str:
    return _raw(path.parent, path.name).lower()
