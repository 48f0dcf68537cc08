"""One client's session with the virtual fastboot board: its commands, and the faults asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from labq.virtual.fastboot_flash import Flash, RefusedError
from labq.virtual.fastboot_link import Link, LinkClosedError
from labq.virtual.fastboot_options import Options


class Mode(StrEnum):
    """What the board is: in fastboot mode of its boot loader or of user space, or at work."""

    BOOTLOADER = "bootloader"
    USERSPACE = "fastbootd"
    SYSTEM = "system"
    RAM = "system from memory"


_LEAVES: Mapping[str, Mode] = {
    "continue": Mode.SYSTEM,
    "reboot": Mode.SYSTEM,
    "reboot-bootloader": Mode.BOOTLOADER,
    "reboot-fastboot": Mode.USERSPACE,
    "boot": Mode.RAM,
}


@dataclass(slots=True, kw_only=True)
class Session:
    """One client."""

    link: Link
    flash: Flash
    options: Options
    mode: Mode
    note: Callable[[str, str], None]
    """Writes what happens into the board's record."""
    _staged: memoryview = field(default_factory=lambda: memoryview(b""))

    def serve(self) -> Mode | None:
        """Do commands until one leaves fastboot mode; raises LinkClosedError when the link ends."""
        if "handshake" in self.options.faults.hangs:
            self._hang("handshake")
        self.link.shake_hands()
        while True:
            name, _, value = self.link.command().partition(":")
            self._break(name)
            try:
                self.link.answer(f"OKAY{self._do(name, value)}")
            except RefusedError as error:
                self.link.answer(f"FAIL{error}")
                continue
            if name in _LEAVES:
                return _LEAVES[name]

    def _break(self, name: str) -> None:
        if name in self.options.faults.hangs:
            self._hang(name)
        if name in self.options.faults.drops and name != "download":
            raise LinkClosedError(f"dropped at {name}")

    def _hang(self, name: str) -> None:
        self.note("hang", name)
        while True:
            self.link.payload(memoryview(bytearray(1)), None)

    def _do(self, name: str, value: str) -> str:
        """Do a command and return what stands behind OKAY."""
        if name in self.options.faults.fails:
            raise RefusedError(f"{name} failed")
        if name == "getvar":
            return self._getvar(value)
        commands: Mapping[str, Callable[[str], None]] = {
            "download": self._download,
            "flash": self._flash,
            "erase": self.flash.erase,
            "set_active": self.flash.set_active,
            "boot": self._keep_for_boot,
        }
        if name in commands:
            commands[name](value)
        elif name.startswith("oem"):
            self.link.answer(f"INFO{name}")
        elif name not in _LEAVES:
            raise RefusedError(f"unknown command {name}")
        return ""

    def _getvar(self, name: str) -> str:
        known = {
            "version": "0.4",
            "product": "labq-board",
            "serialno": self.options.address,
            "secure": "no",
            "unlocked": "yes",
            "is-userspace": "yes" if self.mode is Mode.USERSPACE else "no",
            "max-download-size": f"{self.options.max_download:#x}",
            **dict(self.flash.variables()),
        }
        if name == "all":
            for key, value in known.items():
                self.link.answer(f"INFO{key}: {value}")
            return ""
        if name not in known:
            raise RefusedError("unknown variable")
        return known[name]

    def _download(self, digits: str) -> None:
        try:
            size = int(digits, 16)
        except ValueError as error:
            raise RefusedError(f"bad size {digits}") from error
        if size > self.options.max_download:
            raise RefusedError("data too large")
        self.link.answer(f"DATA{size:08x}")
        if self.options.discards:
            self.link.skip(size, self.options.faults.silence)
            return
        data = memoryview(bytearray(size))
        self.link.payload(data[: size // 2], self.options.faults.silence)
        if "download" in self.options.faults.drops:
            raise LinkClosedError("dropped in the middle of a download")
        if self.options.faults.stall:
            threading.Event().wait(self.options.faults.stall)
        self.link.payload(data[size // 2 :], self.options.faults.silence)
        self._staged = data

    def _flash(self, partition: str) -> None:
        if not self.options.discards:
            self.flash.write(partition, self._staged)

    def _keep_for_boot(self, _value: str) -> None:
        if not self._staged:
            raise RefusedError("nothing was downloaded")
        (self.options.folder / "ram-boot").write_bytes(self._staged)
