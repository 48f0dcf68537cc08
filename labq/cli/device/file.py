"""Reads device files."""

from __future__ import annotations

import sys
from pathlib import Path

from labq import config
from labq.cli.failures import Failed, Misused
from labq.jobdef.templates import Library


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


def library() -> Library:
    """Return where a site keeps its own type templates: LABQ_DEVICE_TYPES_PATH."""
    return Library(folders=config.load().device_type_folders)
