"""Answers for an installer: with a command that takes the overlay into the installed system."""

from __future__ import annotations

import re
from pathlib import Path

IN_RAMDISK = {"centos_installer": "preseed.cfg"}
"""Installers that look for their answers in their ramdisk, and under which name."""

_LATE = "d-i preseed/late_command string"
_TAKE_OVERLAY = "cp -r /lava-* /target/ || true"
_CONTINUED = re.compile(r"\\\n")
_LATE_LINE = re.compile(rf"^{re.escape(_LATE)}.*$", re.MULTILINE)


def with_late_command(answers: str) -> str:
    """Return answers for Debian's installer, whose last command takes the overlay along."""
    text = _CONTINUED.sub("", answers)
    if _LATE_LINE.search(text) is None:
        return f"{text.rstrip(chr(10))}\n{_LATE} {_TAKE_OVERLAY}\n"
    return _LATE_LINE.sub(lambda line: f"{line.group().rstrip(' ;')}; {_TAKE_OVERLAY}", text)


def prepared(preseed: Path, system: str) -> Path:
    """Return the answers to serve for a deploy of `system`: a changed copy for Debian's installer."""
    if system != "debian_installer":
        return preseed
    made = preseed.with_name(f"{preseed.name}.prepared")
    made.write_text(with_late_command(preseed.read_text(errors="replace")))
    folder = preseed.parent / "prepared"
    folder.mkdir(exist_ok=True)
    return made.rename(folder / preseed.name)
