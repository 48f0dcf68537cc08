"""What the virtual fastboot board is told on its command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_FAULTS = (
    ("hang", "never answer it"),
    ("drop", "drop the link at it"),
    ("fail", "refuse it"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong: commands that are never answered, drop the link, or fail; times in seconds.

    `stall` stops in the middle of each download, `silence` is how long data may stay away.
    """

    stall: float = 0.0
    silence: float | None = None
    hangs: frozenset[str] = frozenset()
    drops: frozenset[str] = frozenset()
    fails: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One board: where it listens, where its flash and records lie, what it is like."""

    address: str
    folder: Path
    prompt: str
    has_slots: bool
    has_loader: bool
    max_download: int
    partition_bytes: int
    is_realtime: bool
    discards: bool
    faults: Faults


def parse(arguments: Sequence[str]) -> Options:
    """Return the options; ends the program with a message when they are wrong."""
    given = _parser().parse_args(arguments)
    return Options(
        address=given.address,
        folder=given.folder.resolve(),
        prompt=given.prompt,
        has_slots=given.slots,
        has_loader=given.loader,
        max_download=given.max_download,
        partition_bytes=given.partition_bytes,
        is_realtime=given.realtime,
        discards=given.discard,
        faults=Faults(
            stall=given.stall_ms / 1000,
            silence=given.drop_after_ms / 1000 or None,
            hangs=frozenset(given.hang_at),
            drops=frozenset(given.drop_at),
            fails=frozenset(given.fail_at),
        ),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fastboot-board", description="A virtual board in fastboot mode on TCP."
    )
    parser.add_argument("--address", required=True, metavar="HOST:PORT", help="where to listen")
    parser.add_argument("--folder", required=True, type=Path, help="flash and records")
    parser.add_argument("--prompt", default="labq-shell:$ ", help="prompt of the booted system")
    parser.add_argument("--slots", action="store_true", help="have partitions twice, _a and _b")
    parser.add_argument("--loader", action="store_true", help="start in U-Boot, not in fastboot")
    parser.add_argument("--max-download", type=_size, default=16 * 1024**2, metavar="BYTES")
    parser.add_argument("--partition-bytes", type=_size, default=1024**3, metavar="BYTES")
    parser.add_argument("--realtime", action="store_true", help="run before all other processes")
    parser.add_argument("--discard", action="store_true", help="forget what is flashed")
    parser.add_argument("--stall-ms", type=int, default=0, help="stop in each download")
    parser.add_argument("--drop-after-ms", type=int, default=0, help="drop when no data comes")
    for fault, meaning in _FAULTS:
        parser.add_argument(
            f"--{fault}-at",
            action="append",
            default=[],
            metavar="COMMAND",
            help=f"{meaning}: flash, download, getvar, ...; to hang, also handshake and listen",
        )
    return parser


def _size(text: str) -> int:
    return int(text, 0)
