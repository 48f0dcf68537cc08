"""The process that is a run's device: what it is started from, and the keys it is kept under."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from labq.bench import placeholders
from labq.bench.disk import write_synced
from labq.benchlink.messages import Start
from labq.hw.process import Process, plain_environment

PROCESS = ".emulator"
LISTENER = ".listener"
OUTPUT_CHANNEL = "emulator"
"""The channel of what an emulator prints whose console is a socket."""


def write_start(folder: Path, request: Start) -> None:
    """Keep what the emulator is started from, for power on and for the next bench."""
    write_synced(folder / "emulator.json", json.dumps(asdict(request)).encode())


def read_start(folder: Path) -> Start | None:
    """Return what the emulator was started from last, None without one."""
    try:
        item = json.loads((folder / "emulator.json").read_bytes())
    except FileNotFoundError:
        return None
    item["argv"] = tuple(item["argv"])
    return Start(**item)


def process_of(request: Start, known: dict[str, str]) -> Process:
    """Return the process to start, placeholders replaced."""
    return Process(
        argv=tuple(placeholders.in_word(word, known) for word in request.argv),
        cwd=Path(request.cwd),
        io="pty" if request.has_terminal else "socketpair",
        environment=plain_environment() | dict(request.environment),
    )


def channels_of(request: Start) -> tuple[str, ...]:
    """Return the channels that end with the emulator, the one of its streams first."""
    if request.socket is None:
        return (request.channel,)
    return (OUTPUT_CHANNEL, request.channel)


def ending(code: int) -> str:
    """Say how a process ended; a negative code is a signal."""
    return f"exited with code {code}" if code >= 0 else f"was ended by signal {-code}"
