"""Which requests read from the replica: those that may, of users who have written nothing lately.

After a user's own write all of that user's reads go to the primary for as long as the replica may lag.
That is a key in Redis with this life, so it holds for every web process, token and browser of the user.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import redis
from flask import request
from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from labq.config import Settings
from labq.domain.deadline import monotonic
from labq.domain.errors import NotFoundError
from labq.services.database import Role, is_too_slow, make_engine, session_factory
from labq.services.replica import NAME, Replica, Standing
from labq.services.visibility import Viewer
from labq.web.endpoint import Endpoint, Page

REDIS_SECONDS = 0.25
_SAFE = frozenset({"GET", "HEAD"})
_LOG = logging.getLogger(__name__)
Answer = TypeVar("Answer")
Sessions = sessionmaker[Session]


class Reading:
    """The replica of a web process, if there is one."""

    def __init__(self, settings: Settings, primary: Engine) -> None:
        self._seconds = settings.database_replica_lag
        self._blind_until = 0.0
        self.replica: Replica | None = None
        if settings.database_replica_url:
            self._page, self._api = (
                make_engine(settings.database_replica_url, role, application=NAME)
                for role in (Role.PAGE, Role.API)
            )
            self._pages, self._sessions = session_factory(self._page), session_factory(self._api)
            self.replica = Replica(primary, self._api, self._seconds)
            self._redis = redis.Redis.from_url(
                settings.redis_url,
                socket_connect_timeout=REDIS_SECONDS,
                socket_timeout=REDIS_SECONDS,
            )
            self.replica.start()

    def standing(self) -> Standing | None:
        """Return how the replica is, None where there is none."""
        return self.replica.standing() if self.replica else None

    def choose(self, record: Endpoint | Page, viewer: Viewer) -> Sessions | None:
        """Return where this request is answered on the replica, None for on the primary."""
        if self.replica is None or not record.may_lag or request.method not in _SAFE:
            return None
        if not self.replica.is_near or self._has_written(viewer):
            return None
        return self._pages if isinstance(record, Page) else self._sessions

    def read(
        self, chosen: Sessions, primary: Sessions, answer: Callable[[Session], Answer]
    ) -> Answer:
        """Return what `answer` makes of a session on the replica, or on the primary if that fails.

        What the replica has not is looked for on the primary too: it may be new.
        """
        try:
            with chosen() as session:
                return answer(session)
        except NotFoundError:
            pass
        except SQLAlchemyError as error:
            if self.replica is None or is_too_slow(error):
                raise
            _LOG.warning("the replica failed, the primary is asked: %s", error)
            if isinstance(error, (OperationalError, InterfaceError)):
                self.replica.note_failure(error)
        with primary() as session:
            return answer(session)

    def note_write(self, viewer: Viewer) -> None:
        """Take in that this user has changed something."""
        if self.replica is None or viewer.user_id is None:
            return
        try:
            self._redis.set(_key(viewer.user_id), 1, px=int(self._seconds * 1000) + 1)
        except redis.RedisError:
            self._go_blind()

    def _has_written(self, viewer: Viewer) -> bool:
        if viewer.user_id is None:
            return False
        if monotonic() < self._blind_until:
            return True
        try:
            return bool(self._redis.exists(_key(viewer.user_id)))
        except redis.RedisError:
            self._go_blind()
            return True

    def _go_blind(self) -> None:
        """Take in that nobody knows who has written: no user reads from the replica for that long."""
        self._blind_until = monotonic() + self._seconds


def _key(user: int) -> str:
    return f"labq.wrote.{user}"
