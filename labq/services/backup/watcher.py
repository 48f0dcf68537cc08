"""Who is told how far a dump or a restore is."""

from __future__ import annotations

from typing import Protocol


class Watcher(Protocol):
    """Is told of each phase, and of what is done within it."""

    def phase(self, text: str) -> None:
        """Take in what is done from now on."""

    def progress(self, done: int, total: int) -> None:
        """Take in how much of it is done."""
