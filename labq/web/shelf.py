"""Who is given what from the cache: the viewer for whom a value is computed is part of its key.

A report is never computed for the one who asks but for the class of viewers that the rule names, so a
value holds nothing that any of them may not see.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from typing import TypeVar

from flask import current_app, g
from sqlalchemy.orm import Session, sessionmaker

from labq.domain.deadline import Deadline
from labq.services.database import Role, attempt
from labq.services.visibility import ANONYMOUS, Viewer
from labq.web.cache import Asked, Cache, Found, Job, Outcome
from labq.web.cached import RULES, Rule, Sharers, life_of

CACHE = "labq.cache"
"""Where the application keeps its cache."""
NOBODY = 0
"""The id of a user that there never is: one who is in groups and has no jobs of their own."""
Value = TypeVar("Value")
Report = Callable[[Session, Viewer], Value]


class Shelf:
    """The cache of a web process as endpoints and pages use it; without a cache all is computed."""

    def __init__(self, cache: Cache, sessions: sessionmaker[Session], *, is_on: bool) -> None:
        self._cache = cache
        self._sessions = sessions
        self._is_on = is_on
        self._threads = ThreadPoolExecutor(Role.REPORT.value.most, thread_name_prefix="report")

    def passes_by(self, name: str, *, is_stranger: bool) -> bool:
        """Tell whether a request's answer is made for it alone, and count it where others share.

        A stranger brings no credentials, be they good or not.
        """
        rule = RULES.get(name)
        if rule is None or rule.sharers is not Sharers.ANONYMOUS:
            return True
        if self._is_on and is_stranger:
            return False
        self._cache.note_bypass(name)
        return True

    def answer(self, name: str, arguments: Hashable, make: Callable[[], bytes]) -> bytes:
        """Return an endpoint's answer to an anonymous caller, which `make` makes in this thread."""
        patience = Role.API.value.statement_ms / 1000
        asked = _asked(RULES[name], ANONYMOUS, arguments, patience)
        return self._find(asked, make, _at_once).value

    def report(
        self,
        name: str,
        viewer: Viewer,
        compute: Report[Value],
        *,
        deadline: Deadline,
        arguments: Hashable = (),
    ) -> Found[Value]:
        """Return a report, computed by `compute` in a transaction of its own that only reads.

        It gets the viewer who stands for all that share it. Raises TooSlowError when it is not there
        by the deadline; it is made all the same, for those who ask again.
        """
        rule = RULES[name]
        if rule.sharers is not Sharers.AUDIENCE:
            message = f"{name} is no report"
            raise RuntimeError(message)
        shared = shared_viewer(viewer)

        def make(until: Deadline | None = None) -> Value:
            with self._sessions() as session:
                return attempt(session, lambda inner: compute(inner, shared), until)

        if not self._is_on:
            self._cache.note_bypass(name)
            return Found(make(deadline), 0.0, Outcome.BYPASS)
        asked = _asked(rule, shared, arguments, deadline.remaining())
        return self._find(asked, make, self._aside)

    def _find(
        self, asked: Asked, make: Callable[[], Value], start: Callable[[Job], object]
    ) -> Found[Value]:
        found = self._cache.find(asked, make, start)
        g.data_age = max(g.get("data_age", 0.0), found.age_seconds)
        return found

    def _aside(self, job: Job) -> None:
        """Run a job in one of the threads of reports, of which there are as many as connections."""
        self._threads.submit(copy_context().run, job)


def cache_counts() -> Mapping[str, Mapping[str, int]]:
    """Return hit, miss, stale and bypass by name of the table, of this process since it began."""
    cache: Cache = current_app.extensions[CACHE]
    return cache.counts()


def shared_viewer(viewer: Viewer) -> Viewer:
    """Return the one who stands for all that see the same, but for jobs of their own."""
    if viewer.is_admin:
        return Viewer(user_id=NOBODY, is_admin=True)
    if not viewer.groups:
        return ANONYMOUS
    return replace(viewer, user_id=NOBODY, name="", groups=tuple(sorted(viewer.groups)))


def _asked(rule: Rule, viewer: Viewer, arguments: Hashable, patience_seconds: float) -> Asked:
    """Return the question; the one for whom it is answered is part of its key."""
    return Asked(rule.name, (rule.name, viewer, arguments), life_of(rule), patience_seconds)


def _at_once(job: Job) -> None:
    job()
