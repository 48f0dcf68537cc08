"""Reads device files."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from labq import config
from labq.cli.failures import Failed, Misused

_EXTENDS = re.compile(r"""\{%-?\s*extends\s+['"](?:[^'"]*/)?([^'"/]+?)(?:\.(?:jinja2|yaml))*['"]""")


def read(file: Path) -> str:
    """Return the text of a device file (`-`: standard input); raises Misused, Failed."""
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise Misused(f"can't read {file}: {error.strerror}") from error
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Failed(f"{file} is not UTF-8: byte {error.start} is wrong") from error


def find_type(text: str) -> str | None:
    """Return the device type that a file extends, None when it extends none."""
    found = _EXTENDS.search(text)
    return found[1] if found else None


def template_folders() -> tuple[Path, ...]:
    """Return where a site keeps its own type templates: LABQ_DEVICE_TYPES_PATH."""
    return config.load().device_type_folders
