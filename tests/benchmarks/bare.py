"""What somebody without labq would write to boot a board: plain files, a process, its console."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SILENCE_SECONDS = 60.0
COMMANDS = ("uname -a", "cat /proc/version", "ls /", "cat /proc/uptime", "echo done")
PROMPT = rb"root@labq:\S*# "


@dataclass(frozen=True, slots=True)
class Emulator:
    """The command of a virtual board; `{name}` in its words stands for a path in its folder."""

    words: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def argv(self, folder: Path) -> list[str]:
        """Return the command for the files of a folder."""
        return [word.replace("{folder}", str(folder)) for word in self.words]


def fetch(url: str, target: Path) -> None:
    """Download one file."""
    with urllib.request.urlopen(url, timeout=SILENCE_SECONDS) as source, target.open("wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)


class Console:
    """A descriptor that is read until a pattern has come."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._seen = b""

    def wait(self, pattern: bytes) -> None:
        """Read until the pattern is there and forget what came before its end."""
        limit = time.monotonic() + SILENCE_SECONDS
        while not (match := re.search(pattern, self._seen)):
            readable, _, _ = select.select([self._descriptor], [], [], limit - time.monotonic())
            if not readable:
                raise TimeoutError(f"{pattern!r} never came: {self._seen[-2000:]!r}")
            data = os.read(self._descriptor, 65536)
            if not data:
                raise EOFError(f"the console closed: {self._seen[-2000:]!r}")
            self._seen += re.sub(rb"\x1b\[[0-9;]*[a-zA-Z]", b"", data)
        self._seen = self._seen[match.end() :]

    def send(self, line: str) -> None:
        """Type a line."""
        os.write(self._descriptor, line.encode() + b"\n")


@contextmanager
def booting(emulator: Emulator, folder: Path) -> Iterator[Console]:
    """Start the emulator, give its console, and switch it off at the end."""
    if any("{folder}/console" in word for word in emulator.words):
        with _on_socket(emulator, folder) as console:
            yield console
    else:
        with _on_terminal(emulator, folder) as console:
            yield console


@contextmanager
def _on_socket(emulator: Emulator, folder: Path) -> Iterator[Console]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "console"))
        listener.listen(1)
        with _process(emulator, folder, subprocess.DEVNULL):
            link, _ = listener.accept()
            with link:
                yield Console(link.fileno())


@contextmanager
def _on_terminal(emulator: Emulator, folder: Path) -> Iterator[Console]:
    master, slave = pty.openpty()
    try:
        with _process(emulator, folder, slave):
            yield Console(master)
    finally:
        os.close(master)
        os.close(slave)


@contextmanager
def _process(emulator: Emulator, folder: Path, descriptor: int) -> Iterator[None]:
    process = subprocess.Popen(
        emulator.argv(folder),
        stdin=descriptor,
        stdout=descriptor,
        stderr=descriptor,
        cwd=folder,
        env={**os.environ, **emulator.environment},
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def log_in_and_test(console: Console) -> None:
    """From a booting kernel to the end of five commands."""
    console.wait(rb"login: ")
    console.send("root")
    console.wait(PROMPT)
    for command in COMMANDS:
        console.send(command)
        console.wait(PROMPT)
