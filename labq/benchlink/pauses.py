"""The pauses of a step: when nobody held it, or its bench was away. They do not count as its time."""

from __future__ import annotations

from collections.abc import Iterable

Span = tuple[float, float]
"""From when to when, in the journal's seconds."""


class Pauses:
    """All pauses of one step that are known. Each stands in the journal, so a replay has the same."""

    def __init__(self) -> None:
        self._spans: set[Span] = set()

    def add(self, spans: Iterable[Span]) -> None:
        """Take in pauses; those that are known already change nothing."""
        self._spans.update((begin, end) for begin, end in spans)

    def without(self, at: float) -> float:
        """Return a moment on a clock that stood still in the pauses."""
        return at - sum(max(0.0, min(at, end) - begin) for begin, end in self._spans)
