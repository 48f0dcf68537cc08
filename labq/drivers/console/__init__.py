"""Console drivers by kind. The console of kind `emulator` comes with the emulator's process."""

from __future__ import annotations

from labq.drivers.console.pty_command import PtyCommand
from labq.drivers.console.url import UrlConsole
from labq.hw.driver import ConsoleDriver

CONSOLES: tuple[ConsoleDriver, ...] = (PtyCommand(), UrlConsole())
