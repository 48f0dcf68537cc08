"""Placeholders in commands of a device: `{FOLDER}`, `{TFTP_DIR}`, `{PYTHON}`, `{<LABEL>}` of an image."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

REMEMBERED = "placeholders"
_NAME = re.compile(r"\{([A-Z][A-Z0-9_]*)\}")


def values(folder: Path, tftp: Path, remembered: Mapping[str, object]) -> dict[str, str]:
    """Return what stands for which name: images as a step remembered them, and its `placeholders`."""
    images = remembered.get("images")
    found = {"FOLDER": str(folder / "files"), "PYTHON": sys.executable, "TFTP_DIR": str(tftp)}
    if isinstance(images, Mapping):
        found |= {str(label).upper(): str(path) for label, path in images.items()}
    more = remembered.get(REMEMBERED)
    if isinstance(more, Mapping):
        found |= {str(name): str(value) for name, value in more.items()}
    return found


def in_command(command: str, known: Mapping[str, str]) -> str:
    """Return a shell command with each known name replaced by its quoted value."""
    return _NAME.sub(
        lambda name: shlex.quote(known[name[1]]) if name[1] in known else name[0], command
    )


def in_word(word: str, known: Mapping[str, str]) -> str:
    """Return a word of an argument list with each known name replaced."""
    return _NAME.sub(lambda name: known.get(name[1], name[0]), word)
