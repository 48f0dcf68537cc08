"""The log of one run on its host: derived from the journal, and derived again after a restart."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from labq.bench.journal import Journal
from labq.bench.log_lines import LogLines, Shown
from labq.benchlink.records import Record, size_of

MARK_BYTES = 4 * 1024 * 1024

log = logging.getLogger(__name__)


class RunLog:
    """Appends to the log what the journal says. `size` is its length in bytes."""

    def __init__(
        self, path: Path, primary: str, masks: Iterable[str], shown: Shown | None = None
    ) -> None:
        self.path = path
        self._mark_path = path.with_suffix(".mark")
        self.lines = LogLines(primary, masks, shown)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self.size = 0
        self._marked = 0
        self._owed = b""

    def recover(self, journal: Journal) -> None:
        """Derive again what is missing behind the last mark."""
        position = self._take_mark(journal.size)
        os.ftruncate(self._file, self.size)
        for record in journal.records(position):
            self.feed(record)

    def feed(self, record: Record) -> None:
        """Append the lines that the record completes; on a full disk they wait for the next ones."""
        text = self._owed + self.lines.feed(record)
        if not text:
            return
        self._owed = b"" if self._write(text) else text
        if self._owed:
            return
        if self.size - self._marked > MARK_BYTES and self.lines.is_clean:
            self._mark(record.position + size_of(record))

    def _write(self, text: bytes) -> bool:
        view = memoryview(text)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as error:
            log.warning("%s cannot be written: %s", self.path, error)
            os.ftruncate(self._file, self.size)
            return False
        self.size += len(text)
        return True

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _mark(self, journal: int) -> None:
        mark = {"journal": journal, "log": self.size, "lines": self.lines.count}
        temporary = self._mark_path.with_suffix(".new")
        with contextlib.suppress(OSError):
            # Without it a restart derives more lines anew.
            temporary.write_text(json.dumps(mark))
            temporary.replace(self._mark_path)
            self._marked = self.size

    def _take_mark(self, journal: int) -> int:
        with contextlib.suppress(OSError, ValueError, KeyError):
            mark = json.loads(self._mark_path.read_text())
            if mark["journal"] <= journal and mark["log"] <= os.fstat(self._file).st_size:
                self.size = self._marked = int(mark["log"])
                self.lines.count = int(mark["lines"])
                return int(mark["journal"])
        return 0
