"""What a virtual board runs once it has booted: a shell of the host on a terminal of its own."""

from __future__ import annotations

import os
import pty
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

READ_BYTES = 65536
KERNEL_LINE = "[    0.000000] Linux version 6.1.0-labq (virtual fastboot board)"


class Console:
    """The board's serial line: its standard streams. Ends the board when the line is gone."""

    def __init__(self) -> None:
        self._typed: queue.Queue[bytes] = queue.Queue()
        self._held = b""
        self._terminal: int | None = None
        threading.Thread(target=self._listen, daemon=True).start()

    def write(self, data: bytes) -> None:
        """Send bytes to whoever listens."""
        while data:
            data = data[os.write(sys.stdout.fileno(), data) :]

    def say(self, line: str) -> None:
        """Send a line."""
        self.write(f"{line}\r\n".encode())

    def read(self, seconds: float | None = None) -> bytes:
        """Return what was typed, nothing when nobody types for `seconds`."""
        try:
            return self._typed.get(timeout=seconds)
        except queue.Empty:
            return b""

    def line(self) -> str:
        """Return a line that is typed, echoing it."""
        while b"\n" not in self._held:
            data = self.read().replace(b"\r", b"\n")
            self.write(data.replace(b"\n", b"\r\n"))
            self._held += data
        line, _, self._held = self._held.partition(b"\n")
        return line.decode(errors="replace").strip()

    def connect(self, terminal: int | None) -> None:
        """Let what is typed from now on go to a terminal."""
        self._terminal = terminal

    def _listen(self) -> None:
        while data := os.read(sys.stdin.fileno(), READ_BYTES):
            if self._terminal is None:
                self._typed.put(data)
                continue
            with suppress(OSError):
                os.write(self._terminal, data)
        os.kill(os.getpid(), signal.SIGTERM)


class SystemShell:
    """An interactive `sh` in `<folder>/root`, where `by-name/` shows the partitions."""

    def __init__(self, folder: Path, prompt: str, console: Console) -> None:
        self._root = folder / "root"
        self._prompt = prompt
        self._console = console

    def run(self, image: Path | None) -> None:
        """Boot: show the kernel's first line, then be a shell until it ends."""
        self._prepare(image)
        self._console.say(KERNEL_LINE)
        master, slave = pty.openpty()
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self._root)}
        shell = subprocess.Popen(
            ("setsid", "--ctty", "sh", "-i"),
            cwd=self._root,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environment, "PS1": self._prompt, "TERM": "dumb"},
        )
        os.close(slave)
        self._console.connect(master)
        self._copy(master)
        self._console.connect(None)
        os.close(master)
        shell.wait()
        self._console.say("The system is going down for reboot NOW")

    def _prepare(self, image: Path | None) -> None:
        """Make the root folder: links to the partitions, and to what was booted."""
        self._root.mkdir(exist_ok=True)
        links = {"by-name": Path("../partitions")}
        if image is not None:
            links["booted"] = Path("..", image.relative_to(self._root.parent))
        for name, target in links.items():
            (self._root / name).unlink(missing_ok=True)
            (self._root / name).symlink_to(target)

    def _copy(self, master: int) -> None:
        """Show what the terminal prints, until nobody has it open any more."""
        with suppress(OSError):
            while data := os.read(master, READ_BYTES):
                self._console.write(data)
