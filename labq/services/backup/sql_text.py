"""Where statements of SQL end: strings, quoted names, dollar quotes and comments are told apart."""

from __future__ import annotations

import re

MOST_STATEMENT_BYTES = 4 * 1024 * 1024
_OPENING = re.compile(rb"--|/\*|(?<![A-Za-z0-9_$])[eE]'|'|\"|\$(?:[A-Za-z_][A-Za-z0-9_]*)?\$|;")
# What ends an opening, or in a comment also nests; a doubled quote ends a string and begins the next.
_CLOSINGS = {
    b"'": re.compile(rb"'"),
    b'"': re.compile(rb'"'),
    b"E'": re.compile(rb"\\.|'", re.DOTALL),
    b"/*": re.compile(rb"/\*|\*/"),
}


class Scanner:
    """Takes text line by line, and gives a statement when the line ends it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._open = b""
        self._depth = 0
        self.size = 0

    @property
    def is_between(self) -> bool:
        """Tell whether no statement, string or comment is begun."""
        return not self._open and not self.size

    def feed(self, line: bytes) -> str | None:
        """Take a line; return the statement that ends with it, None when none does."""
        at, end = 0, -1
        while found := self._pattern().search(line, at):
            at = found.end()
            if self._open:
                self._close(found[0])
            elif found[0] == b"--":
                line = line[: found.start()]
                break
            elif found[0] == b";":
                end = at
            else:
                self._open, self._depth = found[0].upper() if len(found[0]) == 2 else found[0], 1
        is_over = end >= 0 and not self._open and not line[end:].strip()
        return self._keep(line.strip(), is_over=is_over)

    def _pattern(self) -> re.Pattern[bytes]:
        if not self._open:
            return _OPENING
        return _CLOSINGS.get(self._open) or re.compile(re.escape(self._open))

    def _close(self, token: bytes) -> None:
        """Take in what was found within something open."""
        if token == b"/*":
            self._depth += 1
        elif not token.startswith(b"\\"):
            self._depth -= 1
        if not self._depth:
            self._open = b""

    def _keep(self, text: bytes, *, is_over: bool) -> str | None:
        if text:
            self._parts.append(text)
            self.size += len(text) + 1
        if not is_over:
            return None
        statement = b" ".join(self._parts).decode(errors="replace")
        self._parts, self.size = [], 0
        return statement
