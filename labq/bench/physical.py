"""What names a board on its machine, whoever drives it: its serial port, its network port, its USB.

Two labqs may call a board what they like; by these names they keep off each other's.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from labq.domain.errors import ConfigurationError
from labq.domain.plan import ConsoleSpec, Plan
from labq.hw.params.url import parse_url

UNSET_SERIAL = "0000000000"
_TCP_CLIENTS = ("telnet", "nc", "netcat", "ncat")
_SERIAL = re.compile(r"tty[A-Za-z]+[0-9]+")
_PORT = re.compile(r"[0-9]{1,5}")


def names(plan: Plan) -> list[str]:
    """Return what a run on this device must have for itself, sorted; nothing for emulators.

    A path of the host counts under the name it is known by and, while it exists, under its own.
    """
    found = {name for console in plan.consoles for name in _of_console(console)}
    found |= set(_of_usb(plan))
    return sorted(found)


def _of_console(console: ConsoleSpec) -> Iterator[str]:
    if console.kind == "pty":
        yield from _of_command(console.command)
    elif console.kind == "url":
        yield from _of_url(console.url)


def _of_url(url: str) -> Iterator[str]:
    try:
        where = parse_url(url)
    except ConfigurationError:
        return
    if where.host and where.port:
        yield f"tcp {where.host.lower()}:{where.port}"
    elif where.scheme in ("", "unix"):
        yield from _of_path(where.path)


def _of_command(command: str) -> Iterator[str]:
    """Find the ports in a command such as `telnet ser2net 7001` or `picocom /dev/ttyUSB0`."""
    try:
        words = shlex.split(command)
    except ValueError:
        return
    for position, word in enumerate(words):
        if word.startswith("/dev/") and _is_serial(Path(word)):
            yield from _of_path(word)
        following = words[position + 1 : position + 3]
        is_client = os.path.basename(word) in _TCP_CLIENTS  # noqa: PTH119 - a word, not a path
        if is_client and len(following) == 2 and _PORT.fullmatch(following[1]):
            yield f"tcp {following[0].lower()}:{following[1]}"


def _of_usb(plan: Plan) -> Iterator[str]:
    dictionary = plan.dictionary
    for key in ("fastboot_serial_number", "adb_serial_number"):
        serial = dictionary.get(key)
        if isinstance(serial, str) and serial not in ("", UNSET_SERIAL):
            is_tcp = serial.startswith("tcp:")
            yield f"tcp {serial[4:].lower()}" if is_tcp else f"usb serial {serial}"
    board = dictionary.get("board_id")
    if isinstance(board, str) and board not in ("", UNSET_SERIAL):
        vendor, product = (dictionary.get(f"usb_{what}_id", "") for what in ("vendor", "product"))
        yield f"usb {vendor}:{product} board {board}"


def _is_serial(path: Path) -> bool:
    """Tell a serial port from the other files that a command names, by its name or its target's."""
    is_link = path.is_relative_to("/dev/serial")
    return is_link or bool(_SERIAL.fullmatch(path.resolve().name))


def _of_path(path: str) -> Iterator[str]:
    yield f"path {path}"
    if (real := Path(path).resolve()) != Path(path) and real.exists():
        yield f"path {real}"
