"""Sends runs again that a report shows to be lost: from where, and at which epoch."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import redis
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from labq import queue
from labq.conductor.judge import Judge, Loss, Missing, Sending
from labq.conductor.lead import Lead
from labq.domain.deadline import monotonic
from labq.domain.errors import NotFoundError
from labq.domain.events import Report
from labq.domain.states import RunState
from labq.models.run import IS_AWAITED, Run
from labq.services import losses, open_runs, runs, transitions
from labq.services.open_runs import OpenRun
from labq.services.transitions import SYSTEM, By, Work

log = logging.getLogger(__name__)


class Recovery:
    """Judges the reports of one host in one term."""

    def __init__(self, lead: Lead, client: redis.Redis, host: str) -> None:
        self._lead = lead
        self._client = client
        self._host = host
        self._judge = Judge()

    def recover(self, report: Report, touched: Collection[int]) -> None:
        """Have missing runs sent again, but those with events newer than the report."""
        sendings = [one for one in self._read_open() if one.run not in touched]
        missing = self._judge.judge(report, sendings, self._read_queue, monotonic())
        if missing:
            sent = {one.run: one.sent for one in sendings}
            with self._lead.transaction("recover") as session:
                _send_again(session, missing, sent)

    def _read_open(self) -> list[Sending]:
        query = select(Run.id, Run.epoch, Run.next, Run.sent).where(
            Run.host == self._host, or_(Run.state != RunState.ENDED, IS_AWAITED)
        )
        with self._lead.reading() as session:
            return [Sending(*row) for row in session.execute(query)]

    def _read_queue(self) -> set[str]:
        return queue.queued_ids(self._client, self._host)


def _send_again(session: Session, missing: Sequence[Missing], sent: dict[int, str | None]) -> None:
    """Decide anew for runs whose last sending is still the one that was judged."""
    found = open_runs.load(session, [one.run for one in missing])
    jobs = []
    for one in missing:
        known = found.get(one.run)
        if known is None or known.run.sent is None or known.run.sent != sent[one.run]:
            continue
        try:
            _decide(session, known, one)
        except NotFoundError as error:
            log.error("report of host %s: %s", known.run.host, error)  # noqa: TRY400 - a stranger's
            continue
        log.warning("run %d, step %d is sent again: %s", one.run, one.step, one.loss.value)
        jobs.append(known.job.id)
    transitions.tell(session, jobs=jobs, work=[Work.SENDING])


def _decide(session: Session, known: OpenRun, missing: Missing) -> None:
    by = By(SYSTEM, datetime.now(UTC), f"step {missing.step}: {missing.loss.value}")
    if known.run.is_awaited:
        _await_teardown(session, known, missing, by)
        return
    match missing.loss:
        case Loss.IDLE:
            runs.send_lost_step(session, known, missing.step, by, back=missing.back)
        case Loss.UNKNOWN:
            runs.send_unknown_run(session, known, by)
        case Loss.BEHIND:
            known.send_from(known.run.next, by.reason)


def _await_teardown(session: Session, known: OpenRun, missing: Missing, by: By) -> None:
    """Have a run that was given up torn down, or take in that nothing is left of it."""
    if missing.loss is Loss.UNKNOWN:
        losses.note_gone(session, known, by)
    else:
        known.send_from(known.collect, by.reason)
