"""Changes in the lab to everybody who follows them, filtered by what each may see."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from pydantic import TypeAdapter
from sqlalchemy.exc import SQLAlchemyError

from labq.services.job_events import JobEvent, Told
from labq.services.lab_events import LabEvent
from labq.services.occurrences import Occurrence
from labq.services.visibility import Viewer
from labq.stream.sse import event
from labq.stream.telling import Telling

_LOG = logging.getLogger(__name__)
_MOST_WAITING = 1000
_MOST_HAPPENED = 20_000
_GATHER_SECONDS = 0.05
_EVENT = TypeAdapter(JobEvent)

FindEvents = Callable[[list[int]], Awaitable[list[Told]]]
FindHappened = Callable[[list[Occurrence]], Awaitable[list[LabEvent]]]


class Hearer(Protocol):
    """One who is told what happens, as far as the viewer may see it."""

    @property
    def viewer(self) -> Viewer:
        """Return who it is."""

    @property
    def is_listening(self) -> bool:
        """Tell whether anything is read of what it is told."""

    def hear(self, telling: Telling) -> None:
        """Take an event; called in the loop, must not wait."""


class Waiting:
    """Pieces that wait for one who reads at its own pace, a bounded number of them."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.is_behind = False
        self._pieces: list[bytes] = []

    def put(self, data: bytes) -> None:
        """Add a piece, or note that too many wait."""
        if len(self._pieces) >= _MOST_WAITING:
            self.is_behind = True
        else:
            self._pieces.append(data)
        self.changed.set()

    def take(self) -> list[bytes]:
        """Return what waits, the oldest first."""
        self.changed.clear()
        taken, self._pieces = self._pieces, []
        return taken


class Follower:
    """One who follows all of it as server-sent events."""

    is_listening = True

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.waiting = Waiting()

    def hear(self, telling: Telling) -> None:
        """Take an event."""
        self.waiting.put(telling.sse)


class Hub:
    """All who follow. What happens within a moment is looked up together."""

    def __init__(self, find_events: FindEvents, find_happened: FindHappened, prefix: str) -> None:
        self._find_events = find_events
        self._find_happened = find_happened
        self._prefix = prefix
        self._followers: set[Follower] = set()
        self._hearers: set[Hearer] = set()
        self._jobs: set[int] = set()
        self._happened: list[Occurrence] = []
        self._telling: asyncio.Task[None] | None = None

    def join(self, viewer: Viewer) -> Follower:
        """Return a new follower."""
        follower = Follower(viewer)
        self._followers.add(follower)
        self.add(follower)
        return follower

    def leave(self, follower: Follower) -> None:
        """Forget a follower."""
        self._followers.discard(follower)
        self.remove(follower)

    def add(self, hearer: Hearer) -> None:
        """Tell a hearer what happens from now on."""
        self._hearers.add(hearer)

    def remove(self, hearer: Hearer) -> None:
        """Tell it no more."""
        self._hearers.discard(hearer)

    def job_changed(self, job: int) -> None:
        """Take up that a job changed."""
        if self._followers:
            self._jobs.add(job)
            self._wake()

    def happened(self, one: Occurrence) -> None:
        """Take up what happened."""
        if len(self._happened) >= _MOST_HAPPENED:
            _LOG.warning("too much happens: an event is not told")
        elif any(hearer.is_listening for hearer in self._hearers):
            self._happened.append(one)
            self._wake()

    def tell_gap(self) -> None:
        """Tell all followers that changes may have been missed: they should look again."""
        for follower in self._followers:
            follower.waiting.put(event("gap", b"{}"))

    def tell_system(self) -> None:
        """Tell all followers that an upgrade of the schema begins or ends."""
        for follower in self._followers:
            follower.waiting.put(event("system", b"{}"))

    def _wake(self) -> None:
        if self._telling is None or self._telling.done():
            self._telling = asyncio.ensure_future(self._tell())

    async def _tell(self) -> None:
        while self._jobs or self._happened:
            await asyncio.sleep(_GATHER_SECONDS)
            jobs, self._jobs = sorted(self._jobs), set()
            happened, self._happened = self._happened, []
            try:
                changed = await self._find_events(jobs) if jobs else []
                events = await self._find_happened(happened) if happened else []
            except SQLAlchemyError as error:
                _LOG.warning("%d changes are not told: %s", len(jobs) + len(happened), error)
                continue
            for told in changed:
                self._pass_on(told)
            for one in events:
                self._announce(Telling(one, self._prefix))

    def _pass_on(self, told: Told) -> None:
        data = event("job", _EVENT.dump_json(told.event))
        for follower in self._followers:
            if told.is_for(follower.viewer):
                follower.waiting.put(data)

    def _announce(self, telling: Telling) -> None:
        for hearer in self._hearers:
            told = telling.of(hearer.viewer)
            if told is not None:
                hearer.hear(told)
