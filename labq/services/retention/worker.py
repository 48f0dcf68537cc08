"""One step of a retention run: counts days, archives, removes, drops, for a while; then goes on later.

All it needs to know stands in the database: a step that is killed anywhere is done again or goes on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from labq.domain.deadline import monotonic
from labq.domain.errors import LabqError
from labq.domain.retention import Kind, Rule
from labq.services.archive.pack import Blobs
from labq.services.archive.store import Store
from labq.services.retention import blobs as doomed
from labq.services.retention import days, marks, months, parts, policies, removal, runs
from labq.services.retention.bundling import Bundling
from labq.services.retention.days import CASE_BYTES, DayPlan, Due
from labq.services.retention.months import Decision, Way
from labq.services.retention.pace import Pace
from labq.services.retention.runs import Hold, LostRunError

MOST_JOBS = 50
"""Removed in one transaction, which also has at most about MOST_CASES test cases."""
MOST_CASES = 20_000
SOON = timedelta(seconds=10)
LATER = timedelta(minutes=5)
"""When a run that met an error is tried again."""
HEART_SECONDS = 15.0
_DAYS = 20
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ground:
    """Where retention works."""

    engine: Engine
    sessions: sessionmaker[Session]
    store: Store
    blobs: Blobs
    clock: Callable[[], datetime]


def step(ground: Ground, holder: str, asked_by: str, pace: Pace) -> bool:
    """Work at the open run, or begin one, until the budget of `pace` is spent; True when it is over.

    Raises ConflictError that names who works at it, when somebody else does.
    """
    with ground.sessions.begin() as session:
        hold = runs.take(session, holder, asked_by)
    worker = _Worker(ground, hold, pace)
    try:
        with _Heart(ground, hold):
            return worker.run()
    except LostRunError as lost:
        log.warning("%s", lost)
        worker.release(SOON)
    except (LabqError, OSError) as error:
        log.exception("retention goes on later")
        worker.release(LATER, str(error))
    except BaseException:
        worker.release(LATER)
        raise
    return False


class _Heart:
    """Keeps hold of the run while a long piece of work is done, as long as the process lives."""

    def __init__(self, ground: Ground, hold: Hold) -> None:
        self._ground = ground
        self._hold = hold
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="retention heart")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(HEART_SECONDS):
            try:
                with self._ground.sessions.begin() as session:
                    runs.keep(session, self._hold)
            except DBAPIError as error:
                log.warning("retention: %s", error)


class _Worker:
    """The work of one step; `work` yields after each short piece that need not be done again."""

    def __init__(self, ground: Ground, hold: Hold, pace: Pace) -> None:
        self._ground = ground
        self._sessions = ground.sessions
        self._hold = hold
        self._pace = pace
        self._bundling = Bundling(
            ground.sessions, ground.store, ground.blobs, hold, ground.clock, pace.pause
        )
        self._rules: Sequence[Rule] = ()

    @property
    def _today(self) -> date:
        return self._ground.clock().astimezone(UTC).date()

    def work(self) -> Iterator[None]:
        """Do what is left of earlier steps, then count, then go from month to month."""
        with self._sessions() as session:
            self._rules = policies.load_rules(session)
        months.drop_doomed(self._ground.engine)
        self._bundling.sweep()
        yield from self._sweep()
        yield from self._count_all()
        while month := self._next_month():
            yield from self._do_month(month)

    def run(self) -> bool:
        """Work until there is nothing left, which ends the run, or until the time is spent."""
        for _ in self.work():
            if self._pace.is_over:
                self.release(SOON)
                return False
            self._pace.pause()
        with self._sessions.begin() as session:
            runs.end(session, self._hold, self._ground.clock())
        return True

    def release(self, pause: timedelta, error: str = "") -> None:
        """Let others, or the next step, go on."""
        with self._sessions.begin() as session:
            due_at = self._ground.clock() + pause
            runs.release(session, self._hold, due_at=due_at, error=error)

    def _sweep(self) -> Iterator[None]:
        """Remove the files whose rows are gone."""
        while True:
            with self._sessions.begin() as session:
                found = doomed.sweep(session, self._ground.blobs, self._ground.clock())
            if not found:
                return
            yield

    def _count_all(self) -> Iterator[None]:
        """Count the days that were not counted with the policies in force."""
        while True:
            with self._sessions() as session:
                stale = days.find_stale(session, self._hold.revision, self._today, _DAYS)
            if not stale:
                return
            for day in stale:
                self._count(day)
                yield

    def _count(self, day: date, decision: Decision | None = None) -> DayPlan:
        with self._sessions.begin() as session:
            runs.guard(session, self._hold, f"counts {day}")
            plan = days.evaluate(session, self._rules, day, self._today)
            if decision and decision.way is Way.WAIT:
                months.hold_back(plan, decision.until, self._today)
            days.store(session, plan, self._hold.revision, self._today)
        return plan

    def _next_month(self) -> date | None:
        """Return the next month of which something is due."""
        with self._sessions() as session:
            cursor = runs.find(session, self._hold.run).cursor
            day = days.find_due(session, self._today, cursor)
        return day.replace(day=1) if day else None

    def _do_month(self, month: date) -> Iterator[None]:
        """Archive and remove what is due of a month, and go on to the next one."""
        self._ground.blobs.check()
        with self._sessions() as session:
            decision = months.decide(session, month, self._today)
            due_days = days.find_due_of(session, month, months.following(month), self._today)
        log.info("%s: %d days are due, results go by %s", month, len(due_days), decision.way.value)
        for day in due_days:
            yield from self._archive(day, decision)
        if decision.way is Way.DROP:
            self._drop_results(month, due_days)
            yield
        for day in due_days:
            yield from self._remove(day, decision)
            self._count(day, decision)
            self._pace.pause()
        with self._sessions.begin() as session:
            runs.guard(session, self._hold)
            months.doom_empty(session, month)
            runs.point(session, self._hold, months.following(month) - timedelta(days=1))
        months.drop_doomed(self._ground.engine)
        yield

    def _archive(self, day: date, decision: Decision) -> Iterator[None]:
        """Write what is due into bundles, and note that all of it may go."""
        due = self._count(day, decision).due
        with self._sessions() as session:
            pending = parts.find_pending(session, [one.job.id for one in due])
        lacking = parts.lacking(due, pending)
        if wanted := [one for one in lacking if one.rule.is_archived]:
            self._bundling.write(day, wanted)
        with self._sessions.begin() as session:
            runs.guard(session, self._hold)
            free = [one for one in lacking if not one.rule.is_archived]
            parts.note(session, free, None, self._hold)
            parts.renew(session, [one.job.id for one in due], self._hold)
        if lacking:
            yield
        self._pace.pause()

    def _drop_results(self, month: date, due_days: Sequence[date]) -> None:
        with self._sessions.begin() as session:
            runs.guard(session, self._hold, f"drops the results of {month:%Y-%m}")
            months.doom_results(session, month, self._hold.revision, self._ground.clock())
        began = monotonic()
        dropped = months.drop_doomed(self._ground.engine)
        log.info("%s: %d partitions dropped in %.2f s", month, dropped, monotonic() - began)
        for day in due_days if dropped else ():
            with self._sessions.begin() as session:
                runs.guard(session, self._hold)
                marks.touch_day(session, day)

    def _remove(self, day: date, decision: Decision) -> Iterator[None]:
        """Remove what is due of a day, a batch in each transaction, and its files after that."""
        with self._sessions() as session:
            plan = days.evaluate(session, self._rules, day, self._today)
        if decision.way is Way.WAIT:
            months.hold_back(plan, decision.until, self._today)
        for batch in _batches(plan.due):
            with self._sessions.begin() as session:
                runs.guard(session, self._hold, f"removes {day}")
                done = removal.remove(session, self._hold, day, batch, now=self._ground.clock())
                runs.add(session, self._hold, jobs=done.jobs, parts=done.parts, bytes=done.bytes)
            yield from self._sweep()
            if done.parts:
                yield


def _batches(due: Sequence[Due]) -> Iterator[list[Due]]:
    batch: list[Due] = []
    cases = 0
    for one in due:
        own = one.job.sizes.get(Kind.RESULTS, 0) // CASE_BYTES
        if batch and (len(batch) >= MOST_JOBS or cases + own > MOST_CASES):
            yield batch
            batch, cases = [], 0
        batch.append(one)
        cases += own
    if batch:
        yield batch
