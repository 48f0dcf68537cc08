"""A virtual board in fastboot mode on TCP: flashes files, then boots into a shell of the host.

Started as a device's emulator: its standard streams are the serial console. For trials and tests:
it can be told to stall, to hang, to drop the link. What it does is recorded in `sessions`.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from labq.virtual.fastboot_flash import Flash
from labq.virtual.fastboot_link import Link, LinkClosedError
from labq.virtual.fastboot_options import Options, parse
from labq.virtual.fastboot_session import Mode, Session
from labq.virtual.system_shell import Console, SystemShell

LOADER_SECONDS = 5.0
LOADER_PROMPT = b"=> "
LEAVE_SECONDS = 0.5
"""How long a client may take to be gone when the next one is there already."""


class Board:
    """The board: in its boot loader, in fastboot mode, or with a system at work."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._console = Console()
        self._flash = Flash(
            options.folder / "partitions", options.partition_bytes, options.has_slots
        )
        self._record = (options.folder / "sessions").open("a", buffering=1)

    def run(self) -> None:
        """Be a board until the power is cut."""
        mode = self._loader() if self._options.has_loader else Mode.BOOTLOADER
        while True:
            if mode in (Mode.BOOTLOADER, Mode.USERSPACE):
                mode = self._fastboot(mode)
            elif self._flash.boot_image() is None and mode is not Mode.RAM:
                self._console.say("fastboot: no boot image, staying in fastboot mode")
                mode = Mode.BOOTLOADER
            else:
                self._system(mode)
                mode = Mode.BOOTLOADER

    def _loader(self) -> Mode:
        """Be U-Boot: `fastboot` typed at its prompt enters fastboot mode."""
        self._console.say("U-Boot 2023.01 (virtual fastboot board)")
        self._console.write(b"Hit any key to stop autoboot:  0 ")
        if not self._console.read(LOADER_SECONDS):
            return Mode.SYSTEM
        while True:
            self._console.write(b"\r\n" + LOADER_PROMPT)
            line = self._console.line()
            if line.startswith("fastboot"):
                return Mode.BOOTLOADER
            if line == "boot":
                return Mode.SYSTEM
            if line:
                self._console.write(f"Unknown command '{line}' - try 'help'".encode())

    def _fastboot(self, mode: Mode) -> Mode:
        """Serve one client after the other until a command leaves fastboot mode."""
        with _Door(self._options, self._note) as door:
            self._console.say(f"Android Fastboot mode: {self._options.address}")
            while True:
                following = self._serve(door.next_client(), mode)
                door.leave()
                if following:
                    return following

    def _serve(self, link: Link, mode: Mode) -> Mode | None:
        session = Session(
            link=link, flash=self._flash, options=self._options, mode=mode, note=self._note
        )
        try:
            following = session.serve()
        except LinkClosedError as error:
            following = None
            self._note("broken", str(error))
        link.close()
        self._note("close", "")
        return following

    def _system(self, mode: Mode) -> None:
        image = self._options.folder / "ram-boot" if mode is Mode.RAM else self._flash.boot_image()
        shell = SystemShell(self._options.folder, self._options.prompt, self._console)
        self._note("boot", image.name if image else "")
        shell.run(image)
        self._note("down", "")

    def _note(self, what: str, detail: str) -> None:
        self._record.write(f"{what} {os.getpid()} {detail}\n")


class _Door:
    """The listening port: one client at a time, a second one is turned away."""

    def __init__(self, options: Options, note: Callable[[str, str], None]) -> None:
        self._note = note
        self._is_closed = "listen" in options.faults.hangs
        self._waiting: queue.Queue[socket.socket] = queue.Queue()
        self._busy = threading.Lock()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        host, _, port = options.address.rpartition(":")
        self._listener.bind((host, int(port)))

    def __enter__(self) -> _Door:
        if not self._is_closed:
            self._listener.listen(16)
            threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def next_client(self) -> Link:
        """Return the next client; `leave` follows when it is served."""
        return Link(self._waiting.get())

    def leave(self) -> None:
        """Let the next client in."""
        self._busy.release()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._busy.acquire(timeout=LEAVE_SECONDS):
                self._note("open", "")
                self._waiting.put(client)
            else:
                self._note("refused", "")
                client.close()


def main(arguments: Sequence[str]) -> None:
    """Be a board until the power is cut: by a signal, or by the end of the serial line."""
    options = parse(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    if options.is_realtime:
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    Board(options).run()


if __name__ == "__main__":
    main(sys.argv[1:])
