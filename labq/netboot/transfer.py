"""One file on its way to a client: which packets to send next. It has no socket and no clock."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from labq.netboot import packets

WIDEST_WINDOW = 64
"""Blocks on the way at once, at most: more would only overflow a boot loader's buffer."""
MOST_REPEATS = 6
REPEAT_SECONDS = 1.0
_ROUND = 0x10000


@dataclass(slots=True)
class Transfer:
    """A file of `size` bytes, open as `handle`. Block 0 stands for the options that were agreed.

    `acked` is the last block that arrived, `sent` the last one that was sent, both counted without
    wrapping.
    """

    handle: int
    size: int
    asked: Mapping[str, str]
    agreed: dict[str, int] = field(init=False)
    acked: int = field(init=False)
    sent: int = field(init=False)
    repeats: int = 0
    was_asked_again: bool = False

    def __post_init__(self) -> None:
        """Agree on the options."""
        self.agreed = packets.agree(self.asked, self.size)
        if "windowsize" in self.agreed:
            self.agreed["windowsize"] = min(self.agreed["windowsize"], WIDEST_WINDOW)
        self.acked = -1 if self.agreed else 0
        self.sent = self.acked

    @property
    def block(self) -> int:
        """Return how many bytes a block has."""
        return self.agreed.get("blksize", packets.USUAL_BLOCK)

    @property
    def window(self) -> int:
        """Return how many blocks are sent before an answer is waited for."""
        return self.agreed.get("windowsize", 1)

    @property
    def last(self) -> int:
        """Return the number of the last block, which is shorter than the others, maybe empty."""
        return self.size // self.block + 1

    @property
    def is_done(self) -> bool:
        """Tell whether all has arrived."""
        return self.acked == self.last

    @property
    def patience(self) -> float:
        """Return how many seconds an answer is waited for."""
        return float(self.agreed.get("timeout", 0)) or REPEAT_SECONDS * min(4, 2**self.repeats)

    def first(self) -> list[bytes]:
        """Return the packets that begin the transfer."""
        return self._next()

    def take(self, block: int) -> list[bytes]:
        """Return what follows on the acknowledgement of a block, nothing for a late or odd one."""
        ahead = (block - self.acked) % _ROUND
        if self.acked < 0:
            ahead = 1 if block == 0 else 0
        if 0 < ahead <= self.sent - self.acked:
            self.acked += ahead
            self.repeats, self.was_asked_again = 0, False
            return [] if self.is_done else self._next()
        if ahead == 0 and self.acked >= 0 and self.window > 1 and not self.was_asked_again:
            # RFC 7440: the client misses the first block of the window.
            self.was_asked_again = True
            return self._next()
        return []

    def repeat(self) -> list[bytes] | None:
        """Return what to send again when no answer came, None when it was sent often enough."""
        self.repeats += 1
        return None if self.repeats > MOST_REPEATS else self._next()

    def _next(self) -> list[bytes]:
        if self.acked < 0:
            self.sent = 0
            return [packets.options(self.agreed)]
        self.sent = min(self.acked + self.window, self.last)
        return [
            packets.data(number, self._content(number))
            for number in range(self.acked + 1, self.sent + 1)
        ]

    def _content(self, number: int) -> bytes:
        at = (number - 1) * self.block
        return os.pread(self.handle, min(self.block, self.size - at), at)
