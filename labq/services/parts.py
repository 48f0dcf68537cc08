"""What of the server is there and what is missing, as one process sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import redis
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from labq.domain.deadline import monotonic
from labq.services import backfills, system, upgrades
from labq.services.backfills import Progress
from labq.services.system import Load, PartHealth
from labq.services.upgrades import Announcement

KEPT_SECONDS = 2.0
REDIS_SECONDS = 0.25
DATABASE = "database"
REDIS = "redis"
CONDUCTOR = "conductor"
SERVER_PARTS = (DATABASE, REDIS, CONDUCTOR)
_TOLD = {
    DATABASE: "The database {detail}: nothing can be shown or submitted. Running jobs go on.",
    REDIS: "Redis {detail}: new jobs are accepted and wait for it. Running jobs go on.",
    CONDUCTOR: "No conductor: {detail}. New jobs are accepted and wait. Running jobs go on.",
}
_TOLD_OF_HOST = "{name}: {detail}. Its devices take no new jobs."


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The parts, the load, which is unknown without a database, and how the schema moves."""

    parts: tuple[PartHealth, ...]
    load: Load | None
    upgrade: Announcement | None = None
    backfills: tuple[Progress, ...] = ()

    @property
    def missing(self) -> tuple[PartHealth, ...]:
        """Return the parts that are not well."""
        return tuple(part for part in self.parts if not part.is_well)


class Parts:
    """Looks at the parts; what was seen is good for KEPT_SECONDS."""

    def __init__(self, sessions: Callable[[], Session], redis_url: str) -> None:
        self._sessions = sessions
        self._redis = redis.Redis.from_url(
            redis_url, socket_connect_timeout=REDIS_SECONDS, socket_timeout=REDIS_SECONDS
        )
        self._lock = Lock()
        self._seen = State(parts=(), load=None)
        self._seen_at = -KEPT_SECONDS

    def recent(self) -> State:
        """Return what was seen last; one caller at a time waits for a new look when it is old."""
        if monotonic() - self._seen_at >= KEPT_SECONDS and self._lock.acquire(blocking=False):
            try:
                self.look()
            finally:
                self._lock.release()
        return self._seen

    def note_no_database(self) -> State:
        """Take up that the database did not answer somebody."""
        known = (part for part in self._seen.parts if part.name == REDIS)
        self._seen = _without_database(next(known, None) or self._find_redis())
        return self._seen

    def look(self) -> State:
        """Look now."""
        redis_part = self._find_redis()
        try:
            with self._sessions() as session:
                found = (_well(DATABASE), redis_part, system.find_conductor(session))
                state = State(
                    parts=(*found, *system.find_hosts(session)),
                    load=system.find_load(session),
                    upgrade=upgrades.find_running(session),
                    backfills=backfills.find_unfinished(session),
                )
        except SQLAlchemyError:
            state = _without_database(redis_part)
        self._seen, self._seen_at = state, monotonic()
        return state

    def _find_redis(self) -> PartHealth:
        try:
            self._redis.ping()
        except (redis.RedisError, ValueError) as error:
            return PartHealth(name=REDIS, is_well=False, detail=_said(error))
        return _well(REDIS)


def tell(part: PartHealth) -> str:
    """Return what is wrong with a part that is not well, and what people notice of it."""
    told = _TOLD.get(part.name, _TOLD_OF_HOST)
    return told.format(name=part.name.capitalize(), detail=part.detail)


def tell_moves(state: State, *, is_admin: bool) -> list[str]:
    """Return what people should know of a schema that moves; back-fills concern admins alone."""
    told = []
    if state.upgrade is not None:
        what = (
            f"The database is being upgraded from {state.upgrade.found} to {state.upgrade.target}"
        )
        held = (
            " New jobs are accepted and begin afterwards."
            if state.upgrade.pauses_scheduling
            else ""
        )
        told.append(f"{what}: everything goes on.{held}")
    if is_admin:
        told += [f"Back-fill {one.name}: {one.percent} %{_why(one)}" for one in state.backfills]
    return told


def _why(one: Progress) -> str:
    reason = one.error or one.rests
    return f" ({reason})" if reason else ""


def _without_database(redis_part: PartHealth) -> State:
    gone = PartHealth(name=DATABASE, is_well=False, detail="does not answer")
    return State(parts=(gone, redis_part), load=None)


def _well(name: str) -> PartHealth:
    return PartHealth(name=name, is_well=True, detail="answers")


def _said(error: Exception) -> str:
    return "does not answer" if isinstance(error, redis.TimeoutError) else type(error).__name__
