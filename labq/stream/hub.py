"""Changes of jobs to everybody who follows them, filtered by what each may see."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from pydantic import TypeAdapter
from sqlalchemy.exc import SQLAlchemyError

from labq.services.job_events import JobEvent, Told
from labq.services.visibility import Viewer
from labq.stream.sse import event

_LOG = logging.getLogger(__name__)
_MOST_WAITING = 1000
_GATHER_SECONDS = 0.05
_EVENT = TypeAdapter(JobEvent)

FindEvents = Callable[[list[int]], Awaitable[list[Told]]]


class Follower:
    """One who follows: events wait here, a bounded number of them."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.waiting: list[bytes] = []
        self.changed = asyncio.Event()
        self.is_behind = False

    def put(self, data: bytes) -> None:
        """Add an event, or note that too many wait."""
        if len(self.waiting) >= _MOST_WAITING:
            self.is_behind = True
        else:
            self.waiting.append(data)
        self.changed.set()

    def take(self) -> bytes:
        """Return the events that wait, as one text."""
        self.changed.clear()
        data = b"".join(self.waiting)
        self.waiting.clear()
        return data


class Hub:
    """All followers. Jobs that change within a moment are read with one query."""

    def __init__(self, find_events: FindEvents) -> None:
        self._find_events = find_events
        self._followers: set[Follower] = set()
        self._jobs: set[int] = set()
        self._telling: asyncio.Task[None] | None = None

    def join(self, viewer: Viewer) -> Follower:
        """Return a new follower."""
        follower = Follower(viewer)
        self._followers.add(follower)
        return follower

    def leave(self, follower: Follower) -> None:
        """Forget a follower."""
        self._followers.discard(follower)

    def job_changed(self, job: int) -> None:
        """Take up that a job changed."""
        if not self._followers:
            return
        self._jobs.add(job)
        if self._telling is None or self._telling.done():
            self._telling = asyncio.ensure_future(self._tell())

    def tell_gap(self) -> None:
        """Tell all followers that changes may have been missed: they should look again."""
        for follower in self._followers:
            follower.put(event("gap", b"{}"))

    def tell_system(self) -> None:
        """Tell all followers that an upgrade of the schema begins or ends."""
        for follower in self._followers:
            follower.put(event("system", b"{}"))

    async def _tell(self) -> None:
        while self._jobs:
            await asyncio.sleep(_GATHER_SECONDS)
            jobs, self._jobs = sorted(self._jobs), set()
            try:
                found = await self._find_events(jobs)
            except SQLAlchemyError as error:
                _LOG.warning("changes of %d jobs are not told: %s", len(jobs), error)
                continue
            for told in found:
                self._pass_on(told)

    def _pass_on(self, told: Told) -> None:
        data = event("job", _EVENT.dump_json(told.event))
        for follower in self._followers:
            if told.is_for(follower.viewer):
                follower.put(data)
