"""Files that runs leave: what they may be called, and how large a piece of one is sent."""

from __future__ import annotations

import re

from labq.domain.errors import InvalidInputError, Problem

PIECE_BYTES = 8 * 1024 * 1024
"""The most bytes of one request; larger files go in several."""
MOST_FILES = 1000
"""Of one run."""
MOST_DEPTH = 4
MOST_CHARACTERS = 200
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@=-]{0,99}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._+@=-]")


def check_name(name: str) -> None:
    """Raise InvalidInputError for a name that may not be an artifact's.

    Names are relative paths of plain characters, so that they mean the same on every file system.
    """
    parts = name.split("/")
    if len(name) > MOST_CHARACTERS or len(parts) > MOST_DEPTH:
        text = f"at most {MOST_CHARACTERS} characters and {MOST_DEPTH} levels: {name[:80]!r}"
        raise InvalidInputError([Problem("name", text)])
    if not all(_PART.fullmatch(part) for part in parts):
        text = f"{name!r} is no relative path whose parts begin with a letter or digit and have only letters, digits and ._+@=-"
        raise InvalidInputError([Problem("name", text)])


def console_name(channel: str) -> str:
    """Return what the raw bytes of a console's channel are called."""
    return f"console-{_UNSAFE.sub('_', channel)[:60]}.raw.zst"
