"""What tests say to those who follow events: lines of level `event` in a host's log."""

from __future__ import annotations

import json
import re

MOST_SAID = 100
"""Of one chunk: a host that sends more of them is a stranger's."""
_MARK = b'"lvl": "event"'
_LINE = re.compile(
    rb'^(- \{"dt": "[^"\n]{1,64}", "lvl": ")event(", "msg": (".*")\})$', re.MULTILINE
)


def take_said(lines: bytes) -> tuple[bytes, list[str]]:
    """Return log lines of the same length with level `debug` for `event`, and what those say.

    That is how LAVA keeps them. A line that two chunks share stays as it is.
    """
    if _MARK not in lines:
        return lines, []
    said: list[str] = []

    def keep(line: re.Match[bytes]) -> bytes:
        said.append(_text(line[3]))
        return line[1] + b"debug" + line[2]

    kept = _LINE.sub(keep, lines)
    return kept, [text for text in said if text][:MOST_SAID]


def _text(message: bytes) -> str:
    try:
        found = json.loads(message)
    except ValueError:
        return ""
    return found.replace("\0", "") if isinstance(found, str) else ""
