"""Removes terminal escape sequences from a byte stream, also when they arrive in pieces."""

from __future__ import annotations

import re

LONGEST = 256
"""Bytes to hold back for a sequence that is not complete yet; a longer one is taken as text."""

_SEQUENCE = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()*+#%][ -~]|[0-Z\\^_`-~])"
)
_INCOMPLETE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[()*+#%])?\Z")


class EscapeStripper:
    """Feeds on pieces, returns them without CSI, OSC and two-character sequences."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return `data` without escape sequences; an unfinished one waits for the next piece."""
        if self._held:
            data = self._held + data
            self._held = b""
        if b"\x1b" not in data:
            return data
        text = _SEQUENCE.sub(b"", data)
        torn = _INCOMPLETE.search(text, max(0, len(text) - LONGEST))
        if torn is None:
            return text
        self._held = torn.group()
        return text[: torn.start()]
