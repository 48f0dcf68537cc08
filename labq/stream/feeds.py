"""Logs that are being followed: each piece is read once, however many follow.

Readers pull: each asks for the frame at its own offset, so that a slow one holds up nobody and costs
no queue. The frames read last are kept, up to a bound.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from sqlalchemy.exc import SQLAlchemyError

from labq.blobs import Logs
from labq.domain.errors import NotFoundError
from labq.services.job_log import LAST_BYTES_AFTER, LogState
from labq.stream.sse import event

_LOG = logging.getLogger(__name__)
_FRAME_BYTES = 256 * 1024
_LONGEST_LINE_BYTES = 8 * 1024 * 1024
_KEPT_FRAMES = 16

FindState = Callable[[int], Awaitable[LogState]]


@dataclass(frozen=True, slots=True)
class Frame:
    """Whole lines, as they are stored, as one event; `end` is the byte offset after them."""

    end: int
    event: bytes


@dataclass(frozen=True, slots=True)
class _Reading:
    """A read of the file that is on its way or done, and what was stored when it began."""

    state: LogState
    task: asyncio.Task[Frame | None]

    def is_of_no_more_use(self) -> bool:
        """Tell whether it ended without a frame."""
        if not self.task.done():
            return False
        return self.task.cancelled() or bool(self.task.exception()) or self.task.result() is None


class LogFeed:
    """One job's log. `changed` is set, and replaced by a fresh event, whenever `state` changed."""

    def __init__(self, job: int, state: LogState, logs: Logs, find_state: FindState) -> None:
        self.job = job
        self.state = state
        self.changed = asyncio.Event()
        self.readers = 0
        self._logs = logs
        self._find_state = find_state
        self._frames: OrderedDict[int, _Reading] = OrderedDict()
        self._refreshing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_stale = False

    async def frame(self, offset: int) -> Frame | None:
        """Return the next lines from `offset`, None when no whole line is stored behind it."""
        while self.state.run_id is not None and offset < self.state.stored_bytes:
            reading = self._frames.get(offset) or self._start(offset)
            try:
                # Shielded: a reader that goes away must not take the frame from the others.
                found = await asyncio.shield(reading.task)
            finally:
                if reading.is_of_no_more_use():
                    self._drop(offset, reading)
            # Begun by an earlier reader, it may not have seen what is stored by now.
            if found is not None or reading.state == self.state:
                return found
        return None

    def grew(self, run: int, stored_bytes: int) -> None:
        """Take up that more is stored of a run."""
        if run == self.state.run_id and stored_bytes > self.state.stored_bytes:
            self._set(replace(self.state, stored_bytes=stored_bytes))

    def refresh(self) -> None:
        """Look into the database again; asked twice at once, it looks once more afterwards."""
        self._is_stale = True
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.ensure_future(self._refresh())

    def close(self) -> None:
        """Forget everything: nobody follows any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._refreshing is not None:
            self._refreshing.cancel()
        for reading in self._frames.values():
            reading.task.cancel()
        self._frames.clear()

    async def _refresh(self) -> None:
        while self._is_stale:
            self._is_stale = False
            try:
                state = await self._find_state(self.job)
            except (SQLAlchemyError, NotFoundError) as error:
                _LOG.warning("the log of job %d was not looked up: %s", self.job, error)
                return
            self._set(
                replace(state, stored_bytes=max(state.stored_bytes, self.state.stored_bytes))
                if state.run_id == self.state.run_id
                else state
            )
            if self.state.is_over and not self.state.is_complete:
                self._look_again()

    def _look_again(self) -> None:
        """Look once more when the last bytes have had the time to come."""
        if self._timer is not None:
            self._timer.cancel()
        seconds = LAST_BYTES_AFTER.total_seconds() + 0.05
        self._timer = asyncio.get_running_loop().call_later(seconds, self.refresh)

    def _set(self, state: LogState) -> None:
        if state.run_id != self.state.run_id:
            self._frames.clear()
        if state != self.state:
            self.state = state
            self.changed.set()
            self.changed = asyncio.Event()

    def _start(self, offset: int) -> _Reading:
        task = asyncio.ensure_future(asyncio.to_thread(self._read, offset, self.state))
        reading = self._frames[offset] = _Reading(self.state, task)
        while len(self._frames) > _KEPT_FRAMES:
            self._frames.popitem(last=False)
        return reading

    def _drop(self, offset: int, reading: _Reading) -> None:
        if self._frames.get(offset) is reading:
            del self._frames[offset]

    def _read(self, offset: int, state: LogState) -> Frame | None:
        """Read whole lines; in a thread."""
        if state.run_id is None:
            return None
        size, data, end = _FRAME_BYTES, b"", -1
        while end < 0 and len(data) < min(_LONGEST_LINE_BYTES, state.stored_bytes - offset):
            length = min(size, state.stored_bytes - offset)
            data = self._logs.read(state.run_id, offset, length)
            end = data.rfind(b"\n")
            size *= 4
            if len(data) < length:
                break
        if end < 0:
            if not data or not (state.is_complete or len(data) >= _LONGEST_LINE_BYTES):
                return None
            end = len(data) - 1
        after = offset + end + 1
        return Frame(after, event("lines", data[: end + 1].removesuffix(b"\n"), str(after)))


class Feeds:
    """The feeds that have readers."""

    def __init__(self, logs: Logs, find_state: FindState) -> None:
        self._logs = logs
        self._find_state = find_state
        self._feeds: dict[int, LogFeed] = {}

    async def join(self, job: int) -> LogFeed:
        """Return the feed of a job's log; raises NotFoundError."""
        feed = self._feeds.get(job)
        if feed is None:
            state = await self._find_state(job)
            feed = self._feeds.setdefault(job, LogFeed(job, state, self._logs, self._find_state))
            # What was told while the state was read is in the database now.
            feed.refresh()
        feed.readers += 1
        return feed

    def leave(self, feed: LogFeed) -> None:
        """Drop the feed with its last reader."""
        feed.readers -= 1
        if feed.readers == 0 and self._feeds.get(feed.job) is feed:
            del self._feeds[feed.job]
            feed.close()

    def log_grew(self, payload: str) -> None:
        """Take up a payload `<run>:<bytes>` of `labq_log`."""
        run, _, stored = payload.partition(":")
        if not (run.isdigit() and stored.isdigit()):
            _LOG.warning("not a length of a log: %r", payload)
            return
        for feed in self._feeds.values():
            feed.grew(int(run), int(stored))

    def job_changed(self, job: int) -> None:
        """Take up that a job changed."""
        feed = self._feeds.get(job)
        if feed is not None:
            feed.refresh()

    def refresh_all(self) -> None:
        """Look into the database for every feed."""
        for feed in self._feeds.values():
            feed.refresh()
