"""The loop that pairs jobs with devices, sends what is decided, and does what is due.

It waits for NOTIFY; every PASS_SECONDS it does everything once, as a net.
"""

from __future__ import annotations

import logging
import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import SystemRandom
from typing import cast

import redis
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT, connection
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from labq import queue
from labq.conductor import announce
from labq.conductor.lead import Lead
from labq.conductor.planning import Planner
from labq.domain.deadline import Deadline
from labq.domain.timeout_scale import Scales
from labq.services import (
    audience_counts,
    audience_moves,
    backfills,
    deliveries,
    health_checks,
    hosts,
    jobs,
    losses,
    partitions,
    remote_tokens,
    reservations,
    rollups,
    scheduling,
)
from labq.services.ops import relation_sizes
from labq.services.remote_tokens import NOTHING_STORED, Stored
from labq.services.retention import runs as retention_runs
from labq.services.scheduling import MOST_PAIRINGS, BadDevice, Planned, Proposal, Unplannable
from labq.services.transitions import SYSTEM, WORK_CHANNEL, By, Work

PASS_SECONDS = 10.0
WAIT_SECONDS = 1.0
GATHER_SECONDS = 0.1
"""How long jobs and devices gather after a pairing; after a longer quiet they are paired at once."""
DELIVER_TASK = "labq.notify"
BACKFILL_TASK = "labq.backfill"
MOVE_TASK = "labq.rights"
RETAIN_TASK = "labq.retention"
MEASURE_TASK = "labq.sizes"
FIRST_MEASURE_SECONDS = 60.0
MEASURE_SECONDS = 600.0
PREPARE_TASK = "labq.partitions"
PREPARE_SECONDS = 86_400.0
"""How long until it is looked for the first time, and again, whether sizes of tables are due."""
log = logging.getLogger(__name__)


class Scheduler:
    """Pairs, sends and delivers for one term."""

    def __init__(
        self,
        lead: Lead,
        client: redis.Redis,
        templates: Sequence[Path],
        lost_after: timedelta = timedelta(minutes=30),
        *,
        timeout_scales: Scales | None = None,
        sealing_keys: Sequence[str] = (),
    ) -> None:
        self._lead = lead
        self._lost_after = lost_after
        self._client = client
        self._planner = Planner(templates, timeout_scales or {}, next(iter(sealing_keys), ""))
        self._keys = sealing_keys
        self._random = SystemRandom()
        self._gather = Deadline.after(0)
        self._measure_at = Deadline.after(FIRST_MEASURE_SECONDS)
        self._prepare_at = Deadline.after(PREPARE_SECONDS)

    def run(self) -> None:
        """Work until the term ends; raises when the database or Redis fails."""
        with self._listening() as ear:
            self._make_partitions()
            while not self._lead.stop.is_set():
                self.work(frozenset(Work))
                self._time_out()
                self._fold()
                self._retain()
                self._measure()
                self._prepare()
                _prove(ear)
                self._listen(ear, Deadline.after(PASS_SECONDS))

    def _listen(self, ear: connection, until: Deadline) -> None:
        """Do the work that notifications ask for until the next full pass is due."""
        asked: set[Work] = set()
        while not (until.is_over() or self._lead.stop.is_set()):
            wait = min(until.remaining(), WAIT_SECONDS)
            if Work.PAIRING in asked:
                wait = min(wait, self._gather.remaining())
            asked |= _hear(ear, wait)
            ready = asked if self._gather.is_over() else asked - {Work.PAIRING}
            self.work(frozenset(ready))
            asked -= ready

    def work(self, work: frozenset[Work]) -> None:
        """Do what is asked for: send what is decided, pair, hand out deliveries."""
        if Work.CANCELING in work:
            while self._cancel_doomed():
                pass
        if Work.SENDING in work:
            while self._send():
                pass
        if Work.PAIRING in work:
            while self._check_health():
                pass
            while self._pair():
                pass
        if Work.DELIVERING in work:
            self._deliver()

    def _cancel_doomed(self) -> bool:
        """Cancel the jobs of groups that one member has ended; return whether there were any."""
        with self._lead.transaction("cancel_groups") as session:
            return jobs.cancel_doomed(session, _now()) > 0

    def _send(self) -> bool:
        """Send what is decided, and return whether there may be more."""
        with self._lead.reading() as session:
            unsent = announce.read_unsent(session)
        announce.announce(self._lead, self._client, unsent)
        return len(unsent) >= announce.MOST_AT_ONCE

    def _check_health(self) -> bool:
        """Submit health checks that are due, and return whether there may be more."""
        with self._lead.reading() as session:
            due = health_checks.find_due(session, _now())
        if due:
            with self._lead.transaction("health_checks") as session:
                health_checks.submit(session, due, _now())
        return len(due) >= health_checks.MOST_AT_ONCE

    def _pair(self) -> bool:
        """Pair once, and return whether there may be more to pair."""
        with self._lead.reading() as session:
            proposals = scheduling.propose(session, self._random)
            if proposals:
                self._planner.look(session)
            stored = self._find_stored(session, proposals)
        if not proposals:
            return False
        planned, refused = self._planner.plan(proposals, stored)
        if refused:
            self._refuse(refused)
        kept = self._reserve(planned)
        self._gather = Deadline.after(GATHER_SECONDS)
        announce.announce(self._lead, self._client, [announce.of_planned(one) for one in kept])
        return bool(refused) or len(proposals) >= MOST_PAIRINGS

    def _find_stored(self, session: Session, proposals: Sequence[Proposal]) -> Stored:
        """Return the remote tokens of those whose jobs have a place for one."""
        places = ("secrets:", "headers:")
        users = {
            one.submitter for one in proposals if any(word in one.definition for word in places)
        }
        if not users:
            return NOTHING_STORED
        return remote_tokens.find_stored(session, users, keys=self._keys)

    def _reserve(self, planned: Sequence[Planned]) -> list[Planned]:
        """Write the runs; where a resource was taken meanwhile, one job or group at a time."""
        try:
            return self._write(planned)
        except IntegrityError:
            log.warning("%d runs could not be reserved together", len(planned))
        kept: list[Planned] = []
        for unit in reservations.units(planned):
            try:
                kept += self._write(unit)
            except IntegrityError as error:
                log.warning("job %d waits on: %s", unit[0].proposal.job, error.orig)
        return kept

    def _write(self, planned: Sequence[Planned]) -> list[Planned]:
        if not planned:
            return []
        with self._lead.transaction("schedule") as session:
            return reservations.reserve(session, planned, _now())

    def _refuse(self, refused: Sequence[Unplannable | BadDevice]) -> None:
        with self._lead.transaction("refuse") as session:
            jobs_of = [one for one in refused if isinstance(one, Unplannable)]
            reservations.refuse(session, jobs_of, _now())
            devices = [one for one in refused if isinstance(one, BadDevice)]
            reservations.set_aside(session, devices, _now())

    def _deliver(self) -> None:
        with self._lead.transaction("deliver") as session:
            due = deliveries.hand_out(session, _now())
            fills = backfills.hand_out(session, _now())
            moves = audience_moves.hand_out(session, _now())
        for delivery in due:
            queue.send(DELIVER_TASK, delivery=delivery)
        for name in fills:
            queue.send(BACKFILL_TASK, what=name)
        for name in moves:
            queue.send(MOVE_TASK, device_type=name)

    def _time_out(self) -> None:
        with self._lead.transaction("time_out") as session:
            jobs.cancel_overdue(session, _now())
            health_checks.cancel_stale(session, _now())
            hosts.note_silent(session, _now())
            losses.give_up_silent(
                session,
                By(SYSTEM, _now()),
                lost_after=self._lost_after,
                listening_seconds=self._lead.listening_seconds,
            )

    def _fold(self) -> None:
        """Add what moves of jobs left behind to the counts; a crash leaves it to be done again."""
        is_behind, is_short = True, False
        while is_behind:
            with self._lead.transaction("fold", is_light=True) as session:
                folded = rollups.fold(session)
            is_behind, is_short = folded.rows >= rollups.MOST_FOLDED, is_short or folded.is_short
        if is_short:
            # An older labq is still at work, which does not say who sees its jobs.
            with Session(self._lead.engine) as session, session.begin():
                audience_counts.recount(session)

    def _retain(self) -> None:
        """Have a step of retention done if one is due."""
        with self._lead.transaction("retain", is_light=True) as session:
            is_due = retention_runs.hand_out(session, _now())
        if is_due:
            queue.send(RETAIN_TASK)

    def _measure(self) -> None:
        """Have the sizes of tables kept if that is due."""
        if not self._measure_at.is_over():
            return
        self._measure_at = Deadline.after(MEASURE_SECONDS)
        with self._lead.reading() as session:
            is_due = relation_sizes.is_due(session, _now())
        if is_due:
            queue.send(MEASURE_TASK)

    def _make_partitions(self) -> None:
        """See that results and logs of new jobs have a place before there are any."""
        with self._lead.transaction("partitions", is_light=True) as session:
            partitions.ensure_ahead(session.connection(), _now().date())

    def _prepare(self) -> None:
        """Have the partitions of the months to come made, once a day."""
        if self._prepare_at.is_over():
            self._prepare_at = Deadline.after(PREPARE_SECONDS)
            queue.send(PREPARE_TASK)

    @contextmanager
    def _listening(self) -> Iterator[connection]:
        """Keep a connection that hears WORK_CHANNEL; what came before it is left to the first pass."""
        pooled = self._lead.engine.raw_connection()
        try:
            ear = cast("connection", pooled.driver_connection)
            ear.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
            with ear.cursor() as cursor:
                cursor.execute(f"LISTEN {WORK_CHANNEL}")
            yield ear
        finally:
            pooled.invalidate()


def _prove(ear: connection) -> None:
    """Raise when the connection is dead: one that the network has swallowed stays silent for ever."""
    with ear.cursor() as cursor:
        cursor.execute("SELECT 1")


def _hear(ear: connection, wait_seconds: float) -> set[Work]:
    """Return the work that was asked for, waiting for the first notification."""
    if not ear.notifies:
        select.select([ear], [], [], wait_seconds)
        ear.poll()
    payloads = {notice.payload for notice in ear.notifies}
    ear.notifies.clear()
    return {kind for kind in Work if kind in payloads}


def _now() -> datetime:
    return datetime.now(UTC)
