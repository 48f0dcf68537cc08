"""Ships events, reports and logs to Redis in a thread of its own; only what is on disk goes out."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import redis
from redis.client import Pipeline

from labq import streams
from labq.bench.outbox import Entry, Outbox
from labq.bench.vital import vital_thread
from labq.domain.deadline import monotonic
from labq.domain.events import EventBatch, Report

COALESCE_SECONDS = 0.03
RETRY_SECONDS = 0.25
RESEND_SECONDS = 5.0
MOST_IN_FLIGHT = 8 * 1024 * 1024
MOST_EVENTS_IN_FLIGHT = 2000
BATCH = 500
BATCH_BYTES = 1024 * 1024
MOST_REPORTS_WAITING = 100
MOST_CHUNKS_A_ROUND = 8

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Cargo:
    """The log of one run on its way. `stored` is what the server confirmed."""

    journal: Path
    path: Path
    size: int
    sent: int = 0
    stored: int = 0
    moved: float = 0.0
    gap_at: float = 0.0


class Shipper:
    """The loop tells what there is; the thread sends it."""

    def __init__(self, url: str, host: str, outbox: Outbox) -> None:
        self._client = redis.Redis.from_url(
            url, protocol=2, socket_timeout=5, socket_connect_timeout=2
        )
        self._up, self._log = streams.up_stream(host), streams.log_stream(host)
        self._outbox = outbox
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._hurried = threading.Event()
        self._cargoes: dict[int, _Cargo] = {}
        self._report: Report | None = None
        self._sent = outbox.confirmed
        self._entry: bytes | str | None = None
        self._moved = monotonic()
        self._is_over = False
        self._thread = vital_thread("shipper", self._run)

    def start(self) -> None:
        """Begin to ship."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """End after one more round, waited for at most `seconds`."""
        self._is_over = True
        self._wake.set()
        self._thread.join(seconds)

    def wake(self) -> None:
        """Tell that there are new events."""
        self._wake.set()

    def hurry(self) -> None:
        """Tell that there is an event that others wait for."""
        self._hurried.set()
        self._wake.set()

    def report(self, report: Report) -> None:
        """Send this report next, in place of one that was not sent yet."""
        with self._lock:
            self._report = report
        self._wake.set()

    def log_grew(self, run: int, folder: Path, size: int) -> None:
        """Tell how long a run's log is."""
        with self._lock:
            cargo = self._cargoes.get(run)
            if cargo is None:
                cargo = _Cargo(folder / "journal", folder / "log", size, moved=monotonic())
                self._cargoes[run] = cargo
            cargo.size = size
        self._wake.set()

    def stored(self, run: int, length: int) -> int | None:
        """Note what the server has of a log, and return it; None for an unknown run.

        A length that brings nothing new tells of a gap: sending goes back there.
        """
        with self._lock:
            cargo = self._cargoes.get(run)
            if cargo is None:
                return None
            now = monotonic()
            is_gap = length <= cargo.stored and length < cargo.sent
            if is_gap and now - cargo.gap_at > RETRY_SECONDS:
                cargo.sent, cargo.gap_at = length, now
            cargo.stored = max(cargo.stored, length)
            cargo.sent = max(cargo.sent, cargo.stored)
            cargo.moved = now
        self._wake.set()
        return cargo.stored

    def forget(self, run: int) -> None:
        """Leave a run's log alone from now on."""
        with self._lock:
            self._cargoes.pop(run, None)

    def confirmed(self) -> None:
        """Note that events were confirmed."""
        self._moved = monotonic()
        self._wake.set()

    def again(self, sequence: int) -> None:
        """Send events from the sequence on once more."""
        self._sent = min(self._sent, sequence - 1)
        self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.wait(RESEND_SECONDS)
            self._wake.clear()
            self._hurried.clear()
            is_last = self._is_over
            try:
                self._ship()
            except (redis.RedisError, OSError) as error:
                log.warning("nothing can be shipped: %s", error)
                self._try_again()
            except Exception:
                log.exception("shipping failed")
                self._try_again()
            if is_last:
                return

    def _try_again(self) -> None:
        self._wake.set()
        time.sleep(RETRY_SECONDS)

    def _ship(self) -> None:
        self._look_back()
        has_shipped = self._ship_events()
        self._ship_report()
        if self._ship_logs() or has_shipped:
            # What comes in the meantime goes out in one piece.
            self._wake.set()
            self._hurried.wait(COALESCE_SECONDS)

    def _look_back(self) -> None:
        """Send again what was not confirmed for some seconds, unless it still waits in Redis.

        So Redis never has more of a host than is under way, however long the server is away.
        """
        now = monotonic()
        is_late = self._sent > self._outbox.confirmed and now - self._moved > RESEND_SECONDS
        if is_late and not self._waits():
            self._sent, self._moved = self._outbox.confirmed, now
        with self._lock:
            late = [
                cargo
                for cargo in self._cargoes.values()
                if cargo.sent > cargo.stored and now - cargo.moved > RESEND_SECONDS
            ]
        if late and not self._client.xlen(self._log):
            with self._lock:
                for cargo in late:
                    cargo.sent, cargo.moved = cargo.stored, now

    def _waits(self) -> bool:
        """Tell whether the last events that were sent are in Redis still."""
        return bool(self._entry and self._client.xrange(self._up, self._entry, self._entry))

    def _ship_events(self) -> bool:
        """Send what may be seen of the outbox; tell whether there was anything."""
        before = self._sent
        while True:
            self._sent = max(self._sent, self._outbox.confirmed)
            room = MOST_EVENTS_IN_FLIGHT - (self._sent - self._outbox.confirmed)
            entries = self._outbox.after(self._sent, min(BATCH, room))
            if not entries:
                return self._sent > before
            entries, text = _fitting(entries)
            self._entry = self._client.xadd(self._up, {streams.EVENTS_FIELD: text})
            if self._sent == self._outbox.confirmed:
                self._moved = monotonic()
            self._sent = entries[-1].sequence

    def _ship_hurried(self) -> None:
        """Send events that others wait for, in the middle of what takes longer."""
        if self._hurried.is_set():
            self._hurried.clear()
            self._ship_events()

    def _ship_report(self) -> None:
        with self._lock:
            report, self._report = self._report, None
        # A server that is away gets the newest report when it is back, not all of them.
        if report and self._client.xlen(self._up) < MOST_REPORTS_WAITING:
            text = streams.dump_report(report)
            self._client.xadd(self._up, {streams.REPORT_FIELD: text})

    def _ship_logs(self) -> bool:
        """Send chunks of all logs in turn; tell whether there were any."""
        due = self._due()
        if due:
            # After a loss of power a journal is cut before the first event that the outbox lacks.
            _sync(self._outbox.path)
        for _, cargo, _ in due:
            self._ship_hurried()
            _sync(cargo.journal)
        pipe = self._client.pipeline(transaction=False)
        room, sent = self._room(), 0
        for _, (run, cargo, size) in itertools.product(range(MOST_CHUNKS_A_ROUND), due):
            if sent < room:
                sent += self._load(pipe, run, cargo, size)
            self._ship_hurried()
        if not sent:
            return False
        try:
            pipe.execute()
        except redis.RedisError:
            self._rewind()
            raise
        return True

    def _due(self) -> list[tuple[int, _Cargo, int]]:
        """Return what has grown, with the length up to which it may go after a sync."""
        with self._lock:
            return [
                (run, cargo, cargo.size)
                for run, cargo in self._cargoes.items()
                if cargo.sent < cargo.size and cargo.journal.exists()
            ]

    def _room(self) -> int:
        """Return how many bytes may be sent before the server confirms some."""
        with self._lock:
            flying = sum(cargo.sent - cargo.stored for cargo in self._cargoes.values())
        return MOST_IN_FLIGHT - flying

    def _load(self, pipe: Pipeline, run: int, cargo: _Cargo, size: int) -> int:
        """Add the next chunk of a log; return its length."""
        with self._lock:
            offset = cargo.sent
        length = min(streams.CHUNK_BYTES, size - offset)
        if length <= 0:
            return 0
        raw = _read(cargo.path, offset, length)
        pipe.xadd(self._log, streams.log_entry(run, offset, raw))  # type: ignore[arg-type]  # dict is invariant
        with self._lock:
            if cargo.sent == cargo.stored:
                cargo.moved = monotonic()
            cargo.sent = offset + len(raw)
        return len(raw)

    def _rewind(self) -> None:
        with self._lock:
            for cargo in self._cargoes.values():
                cargo.sent = cargo.stored


def _fitting(entries: list[Entry]) -> tuple[list[Entry], bytes]:
    """Return as many of the events as go into one entry, and the entry."""
    events = tuple(entry.event for entry in entries)
    text = streams.dump_event_batch(EventBatch(first=entries[0].sequence, events=events))
    if len(text) <= BATCH_BYTES or len(entries) == 1:
        return entries, text
    return _fitting(entries[: len(entries) // 2])


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(file)
    finally:
        os.close(file)


def _read(path: Path, offset: int, length: int) -> bytes:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(file, length, offset)
    finally:
        os.close(file)
