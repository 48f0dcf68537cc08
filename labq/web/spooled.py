"""A long text, written while the transaction is open and sent when it is over."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from tempfile import SpooledTemporaryFile

from werkzeug.wsgi import FileWrapper

MOST_IN_MEMORY = 1024 * 1024
"""Bytes; more of them wait in a file until they are sent."""


def spooled(parts: Iterable[str]) -> bytes | Iterable[bytes]:
    """Return the text as the body of a response, which closes it."""
    with ExitStack() as stack:
        spool = stack.enter_context(SpooledTemporaryFile(MOST_IN_MEMORY))
        for part in parts:
            spool.write(part.encode())
        size = spool.tell()
        spool.seek(0)
        if size <= MOST_IN_MEMORY:
            return spool.read()
        stack.pop_all()
    return FileWrapper(spool)
