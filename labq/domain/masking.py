"""Hides secret values in texts: wherever they stand, also where they overlap or go over lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

MASKED = "[MASKED]"
SHORTEST_LINE = 4
"""Shorter lines of a secret with several are not hidden by themselves: they are anybody's."""


class Masks:
    """The secrets of one job.

    Of a secret of several lines each line is one too: consoles show them one by one.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        words = {word for secret in secrets for word in _words(secret)}
        longest_first = sorted(words, key=lambda word: (-len(word), word))
        self._words = "|".join(map(re.escape, longest_first))
        # The look-ahead finds secrets that begin within another one.
        self._begins = re.compile(f"(?=({self._words}))") if words else None

    def hide(self, text: str) -> str:
        """Return the text with each secret, or several that overlap, replaced by MASKED."""
        if self._begins is None:
            return text
        parts, at = [], 0
        for begin, end in _joined(found.span(1) for found in self._begins.finditer(text)):
            parts += [text[at:begin], MASKED]
            at = end
        return "".join([*parts, text[at:]]) if parts else text

    def hide_all(self, value: object) -> object:
        """Return a JSON value with the secrets in its texts replaced; keys stay as they are."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, dict):
            return {key: self.hide_all(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.hide_all(item) for item in value]
        return value


def _words(secret: str) -> Iterator[str]:
    if not secret:
        return
    whole = secret.replace("\r\n", "\n")
    yield whole
    lines = [line.strip() for line in whole.splitlines()]
    if len(lines) > 1 or whole.endswith("\n"):
        yield from (line for line in lines if len(line) >= SHORTEST_LINE)


def _joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield spans, those that overlap as one; they come in the order of their beginnings."""
    begin, end = 0, -1
    for first, last in spans:
        if first < end:
            end = max(end, last)
            continue
        if end >= 0:
            yield begin, end
        begin, end = first, last
    if end >= 0:
        yield begin, end
