"""Space on the disk that is let go when the disk is full, so that ends can still be written."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)


class Reserve:
    """A file that only takes space. For any thread; to be freed twice does nothing."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._wanted = size

    @property
    def size(self) -> int:
        """Return how much the file takes now."""
        try:
            return self._path.stat().st_blocks * 512
        except OSError:
            return 0

    def make(self) -> None:
        """Take the space, if there is enough."""
        if self._path.exists() or not self._wanted:
            return
        draft = self._path.with_suffix(".new")
        try:
            file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, self._wanted)
            finally:
                os.close(file)
            draft.replace(self._path)
        except OSError as error:
            log.warning("no space can be kept for the host: %s", error)
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)

    def free(self) -> bool:
        """Let the space go; tell whether there was any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        log.warning("the disk is full: the space kept for the host is used now")
        return True
