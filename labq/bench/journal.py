"""The journal of one run as the bench writes it: appended before anything is used."""

from __future__ import annotations

import contextlib
import mmap
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from labq.benchlink.records import Kind, Record, pack, parse, whole_bytes
from labq.domain.deadline import monotonic
from labq.domain.errors import InfrastructureError


class CannotWriteError(InfrastructureError):
    """The disk refuses: what is there can be read all the same."""


class Journal:
    """An open journal. `size` and `sequence` are those of its end, `last_at` is when it was written."""

    def __init__(self, path: Path, full: Callable[[], bool] = lambda: False) -> None:
        """Open or make it; `full` is called when the disk is, and tells whether it made room."""
        self.path = path
        self._full = full
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self.size = 0
        self.sequence = 0
        self.last_at = 0.0
        self._offsets: dict[str, int] = {}
        self._recover()

    def append(
        self, kind: Kind, data: bytes, *, channel: str = "", step: int = 0, number: int = 0
    ) -> Record:
        """Write one record and return it; raises CannotWriteError when the disk refuses."""
        if kind is Kind.OUTPUT:
            number = self._offsets.get(channel, 0)
        record = Record(
            self.size,
            self.sequence + 1,
            time.time_ns() // 1000,
            monotonic(),
            kind,
            channel,
            step,
            number,
            data,
        )
        self._write(pack(record), is_output=kind is Kind.OUTPUT)
        self.sequence += 1
        self.last_at = record.at
        if kind is Kind.OUTPUT:
            self._offsets[channel] = number + len(data)
        return record

    def records(self, start: int = 0) -> Iterator[Record]:
        """Yield the records from a position on."""
        if self.size == 0:
            return
        with _mapped(self.file, self.size) as view:
            yield from parse(view, 0, start)

    def cut(self, position: int) -> None:
        """Drop everything from a position on, and read again what is left."""
        os.ftruncate(self.file, position)
        self._recover()

    def sync(self) -> None:
        """Put the journal on disk, waiting for it."""
        os.fsync(self.file)

    def close(self) -> None:
        """Close the file."""
        os.close(self.file)

    def _write(self, data: bytes, *, is_output: bool) -> None:
        """Write all or nothing. What is kept for a full disk is not for a console's output."""
        reason = self._try_to_write(data)
        if reason and not is_output and self._full():
            reason = self._try_to_write(data)
        if reason:
            raise CannotWriteError(f"cannot write {self.path}: {reason}")
        self.size += len(data)

    def _try_to_write(self, data: bytes) -> str:
        """Return what went wrong, empty when nothing did."""
        try:
            written = os.write(self.file, data)
        except OSError as error:
            return str(error)
        if written != len(data):
            os.ftruncate(self.file, self.size)
            return "the disk is full"
        return ""

    def _recover(self) -> None:
        """Cut a torn tail; find the last sequence and each channel's length."""
        self.size = os.fstat(self.file).st_size
        self.sequence = 0
        self._offsets = {}
        if self.size:
            with _mapped(self.file, self.size) as view:
                whole = whole_bytes(view, 0)
            if whole < self.size:
                os.ftruncate(self.file, whole)
                self.size = whole
        for record in self.records():
            self.sequence, self.last_at = record.sequence, record.at
            if record.kind == Kind.OUTPUT:
                self._offsets[record.channel] = record.number + len(record.data)


@contextlib.contextmanager
def _mapped(file: int, size: int) -> Iterator[memoryview]:
    with mmap.mmap(file, size, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
        yield view
