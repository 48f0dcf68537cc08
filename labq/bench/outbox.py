"""Durable events of the host: a gapless sequence, on disk before the shipper may see them.

One line each: CRC-32 in hexadecimal, a space, JSON `{"s": sequence, "k": kind, "n": number,
"d": data of the journal's record}`; the first line is `{"base": sequence before the first}`.
"""

from __future__ import annotations

import json
import os
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from labq.bench.disk import write_synced
from labq.benchlink.records import Kind
from labq.domain.errors import InfrastructureError
from labq.domain.events import Event
from labq.streams import dump_event, load_event

COMPACT_BYTES = 1024 * 1024
FEW = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One event; `extra` is what the journal's record has beside it."""

    sequence: int
    kind: Kind
    number: int
    event: Event
    extra: dict[str, object]

    def payload(self) -> bytes:
        """Return the data of the journal's record."""
        event = json.loads(dump_event(self.event))
        return json.dumps({"s": self.sequence, "e": event, **self.extra}).encode()


class Outbox:
    """The file of unconfirmed events; the loop writes, the shipper reads."""

    def __init__(self, path: Path, full: Callable[[], bool] = lambda: False) -> None:
        """Open the file; `full` is called when the disk is, and tells whether it made room."""
        self.path = path
        self._full = full
        self._lock = threading.Lock()
        self._entries: deque[Entry] = deque()
        self.last = 0
        self.confirmed = 0
        self._visible = 0
        if not path.exists():
            write_synced(path, _line({"base": 0}))
        self._load()
        self.file = self._open()

    def append(self, kind: Kind, event: Event, extra: dict[str, object], number: int = 0) -> Entry:
        """Write an event; it is seen by the shipper once `show` is called for it.

        Raises InfrastructureError when the disk refuses; the file is then as it was.
        """
        entry = Entry(self.last + 1, kind, number, event, extra)
        self._write(_entry_line(entry))
        with self._lock:
            self.last = entry.sequence
            self._entries.append(entry)
        return entry

    def take_back(self, entry: Entry) -> bool:
        """Forget the newest event, whose journal refused it; tell if nobody had seen it yet."""
        with self._lock:
            if entry.sequence != self.last or entry.sequence <= self._visible:
                return False
            os.ftruncate(self.file, os.fstat(self.file).st_size - len(_entry_line(entry)))
            self._entries.pop()
            self.last -= 1
        return True

    def show(self, sequence: int) -> None:
        """Let the shipper see events up to the sequence: they are on disk."""
        with self._lock:
            self._visible = max(self._visible, min(sequence, self.last))

    @property
    def visible(self) -> int:
        """Return the last sequence that may be shipped."""
        with self._lock:
            return self._visible

    def after(self, sequence: int, most: int) -> list[Entry]:
        """Return the visible unconfirmed events behind a sequence."""
        with self._lock:
            start = max(0, sequence - self.confirmed)
            chosen = (self._entries[index] for index in range(start, len(self._entries)))
            return [entry for entry in _first(chosen, most) if entry.sequence <= self._visible]

    def unconfirmed(self) -> list[Entry]:
        """Return everything that is not confirmed."""
        with self._lock:
            return list(self._entries)

    def confirm(self, sequence: int) -> None:
        """Forget events that the server has stored.

        A sequence that this host never gave tells of a host folder that was lost: what is not
        confirmed is numbered on from there.
        """
        if sequence > self.last:
            self._number_from(sequence)
        else:
            with self._lock:
                while self._entries and self._entries[0].sequence <= sequence:
                    self._entries.popleft()
                self.confirmed = max(self.confirmed, sequence)
        if os.fstat(self.file).st_size > COMPACT_BYTES and len(self._entries) < FEW:
            self._rewrite()

    def close(self) -> None:
        """Close the file."""
        os.close(self.file)

    def _write(self, data: bytes) -> None:
        before = os.fstat(self.file).st_size
        for is_last in (False, True):
            try:
                _write(self.file, data)
                return
            except OSError as error:
                # What stands behind a torn line would not be read again.
                os.ftruncate(self.file, before)
                if is_last or not self._full():
                    raise InfrastructureError(f"cannot write {self.path}: {error}") from error

    def _number_from(self, sequence: int) -> None:
        with self._lock:
            self._entries = deque(
                replace(entry, sequence=sequence + place)
                for place, entry in enumerate(self._entries, start=1)
            )
            self.confirmed = sequence
            self.last = self._visible = sequence + len(self._entries)
        self._rewrite()

    def _rewrite(self) -> None:
        lines = [_line({"base": self.confirmed}), *map(_entry_line, self.unconfirmed())]
        write_synced(self.path, b"".join(lines))
        os.close(self.file)
        self.file = self._open()

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def _load(self) -> None:
        """Read the file; cut the torn last line that a kill may have left."""
        whole = 0
        for size, item in _sound_lines(self.path.read_bytes()):
            whole += size
            if "base" in item:
                self.confirmed = self.last = int(str(item["base"]))
            else:
                entry = _entry(item)
                self._entries.append(entry)
                self.last = entry.sequence
        os.truncate(self.path, whole)
        self._visible = self.last


def _sound_lines(data: bytes) -> Iterator[tuple[int, dict[str, object]]]:
    for line in data.splitlines(keepends=True):
        checksum, _, text = line.rstrip(b"\n").partition(b" ")
        if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
            return
        yield len(line), json.loads(text)


def _entry(item: dict[str, object]) -> Entry:
    data = item["d"]
    extra = dict(data) if isinstance(data, dict) else {}
    event = load_event(json.dumps(extra.pop("e")).encode())
    extra.pop("s")
    kind, number = Kind(int(str(item["k"]))), int(str(item["n"]))
    return Entry(int(str(item["s"])), kind, number, event, extra)


def _entry_line(entry: Entry) -> bytes:
    data = json.loads(entry.payload())
    return _line({"s": entry.sequence, "k": int(entry.kind), "n": entry.number, "d": data})


def _line(item: dict[str, object]) -> bytes:
    text = json.dumps(item).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _first(entries: Iterator[Entry], most: int) -> Iterator[Entry]:
    for _, entry in zip(range(most), entries, strict=False):
        yield entry
