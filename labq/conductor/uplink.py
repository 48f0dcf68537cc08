"""The loop that reads what hosts send: events are applied once and in order, reports are judged.

Everything read is a stranger's. One transaction for each host and batch; turns are bounded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from datetime import UTC, datetime

import redis
from redis.exceptions import RedisError, ResponseError
from sqlalchemy import select

from labq.conductor.apply import Applier
from labq.conductor.entries import Entry, garbage, last_sequence, newest_report, runs_after
from labq.conductor.generation import Generation
from labq.conductor.group_post import GroupPost
from labq.conductor.guard import bound
from labq.conductor.lead import Lead, is_outage
from labq.conductor.line import JUDGE_SECONDS, Line
from labq.conductor.link import is_identifier, mend, read_streams, send_orders
from labq.conductor.recovery import Recovery
from labq.domain.deadline import monotonic
from labq.domain.events import Report
from labq.domain.orders import AgainOrder, ConfigOrder, ConfirmOrder, Order
from labq.models.host import Host
from labq.services import host_config, host_load, refusals
from labq.services.leader import LostLeadershipError
from labq.services.refusals import Refused
from labq.streams import log_stream, orders_stream, up_stream

NOTE_SECONDS = 8.0
NEWS_SECONDS = 1.0
"""How often a report is noted that says something new of its host's load."""
HOSTS_SECONDS = 5.0
TRIM_SECONDS = 1.0
BLOCK_SECONDS = 1.0
LONGEST_REST_SECONDS = 5.0
APPLIERS = 2
"""Hosts whose events are applied at the same time."""
log = logging.getLogger(__name__)


class Uplink:
    """Reads, applies, confirms and judges for one term."""

    def __init__(self, lead: Lead, client: redis.Redis) -> None:
        self._lead = lead
        self._client = client
        self._generation = Generation(lead, client)
        self._post = GroupPost(lead, client)
        self._lines: dict[str, Line] = {}
        self._configs: Mapping[str, ConfigOrder] = {}
        self._listed_at = -HOSTS_SECONDS
        self._pool = futures.ThreadPoolExecutor(APPLIERS, thread_name_prefix="apply")

    def run(self) -> None:
        """Work until the term ends; raises when the database or Redis fails."""
        try:
            while not self._lead.stop.is_set():
                self.turn()
                self._lead.note_hearing(is_hearing=True)
        finally:
            self._lead.note_hearing(is_hearing=False)
            self._pool.shutdown()

    def turn(self) -> None:
        """Wait for something from any host, and do what is due."""
        self._list_hosts()
        if not self._lines:
            self._lead.stop.wait(BLOCK_SECONDS)
            return
        self._read()
        now = monotonic()
        due = [
            line for line in self._lines.values() if (at := line.due_at()) is not None and at <= now
        ]
        for line in self._apply_all(due):
            if self._attempt(line, self._serve):
                line.failures = 0

    def _apply_all(self, due: Sequence[Line]) -> list[Line]:
        """Apply what hosts sent, of a few of them at a time: one computes while another one waits.

        Returns those with which nothing went wrong; what is wrong with all is raised in the end.
        """
        if len(due) < 2:
            return [line for line in due if self._attempt(line, self._apply)]
        done = [self._pool.submit(self._attempt, line, self._apply) for line in due]
        futures.wait(done)
        return [line for line, one in zip(due, done, strict=True) if one.result()]

    def _list_hosts(self) -> None:
        """Take up hosts that were added, and see whether Redis still has its data."""
        if monotonic() - self._listed_at < HOSTS_SECONDS:
            return
        with self._lead.reading() as session:
            rows = session.execute(select(Host.name, Host.up_id, Host.sequence)).all()
            self._configs = host_config.find_orders(session)
        self._lines = {
            name: self._lines.get(name) or self._new_line(name, position, sequence)
            for name, position, sequence in rows
        }
        self._listed_at = monotonic()
        self._configure(list(self._lines.values()))
        if self._lines and not self._generation.is_unchanged():
            self._begin_generation()
        for line in self._lines.values():
            streams = (up_stream(line.host), log_stream(line.host))
            self._refuse(line, bound(self._client, line.host, streams))

    def _configure(self, lines: Sequence[Line]) -> None:
        """Tell hosts what is asked of them while their reports show something else."""
        asked = [(line, self._configs[line.host]) for line in lines if line.host in self._configs]
        orders = [
            (line.host, order) for line, order in asked if line.config not in (None, order.revision)
        ]
        send_orders(self._client, orders)

    def _new_line(self, host: str, position: str, sequence: int) -> Line:
        recovery = Recovery(self._lead, self._client, host)
        return Line(host, position, sequence, Applier(self._lead, host), recovery)

    def _begin_generation(self) -> None:
        """Start over with a Redis that was emptied: no report counts until its host knows."""
        self._generation.renew(list(self._lines))
        for line in self._lines.values():
            line.start_over()

    def _read(self) -> None:
        """Read what is there, waiting for it no longer than until something is due."""
        moments = [due for line in self._lines.values() if (due := line.due_at()) is not None]
        wait = min([BLOCK_SECONDS, *(moment - monotonic() for moment in moments)])
        open_lines = [line for line in self._lines.values() if line.is_open()]
        if not open_lines:
            self._lead.stop.wait(max(0.0, wait))
            return
        places = {up_stream(line.host): line for line in open_lines}
        positions = {stream: line.position for stream, line in places.items()}
        count = min(line.count for line in open_lines)
        try:
            found = read_streams(self._client, positions, count=count, wait_seconds=wait)
        except ResponseError as error:
            mended = [line for line in open_lines if self._mend(line)]
            if not mended:
                raise RedisError(str(error)) from error
            return
        for stream, items in found:
            places[stream].take(items)

    def _mend(self, line: Line) -> bool:
        """Delete what a host has put in the place of its streams; it is left alone for a while."""
        wrong = mend(self._client, line.host)
        reasons = [Refused(key, f"{key} is not what it should be: deleted") for key in wrong]
        self._refuse(line, reasons)
        if wrong:
            line.patience.rest(LONGEST_REST_SECONDS, monotonic())
        return bool(wrong)

    def _refuse(self, line: Line, refused: Sequence[Refused]) -> None:
        """Count what was refused of a host."""
        if refused:
            log.error("host %s: %s", line.host, refused[-1].reason)
            with self._lead.transaction("reject") as session:
                refusals.note(session, line.host, refused, datetime.now(UTC))
            line.patience.spend(sum(one.entries for one in refused), monotonic())

    def _attempt(self, line: Line, act: Callable[[Line], None]) -> bool:
        """Do something for a host and tell whether it could be done.

        What goes wrong with one host alone is no matter of the others.
        """
        try:
            act(line)
        except Exception as error:
            if isinstance(error, LostLeadershipError) or is_outage(error):
                raise
            if not (isinstance(error, ResponseError) and self._mend(line)):
                log.exception("host %s has to wait", line.host)
            line.failures += 1
            line.patience.rest(min(2.0**line.failures / 10, LONGEST_REST_SECONDS), monotonic())
            return False
        return True

    def _serve(self, line: Line) -> None:
        if line.report and monotonic() - line.judged_at >= JUDGE_SECONDS:
            self._judge(line, line.report)
        if monotonic() - line.trimmed_at >= TRIM_SECONDS:
            self._trim(line)

    def _apply(self, line: Line) -> None:
        """Apply what is pending and confirm it; on an exception all of it stays pending."""
        if not line.pending:
            return
        entries, line.applied_at = line.pending, monotonic()
        report = newest_report(entries)
        is_note_due = report is not None and _is_note_due(line, report)
        if is_note_due or last_sequence(entries) or any(garbage(entries)):
            applied = line.applier.store(line.sequence, entries, report)
            line.sequence = applied.sequence
            self._post.send(applied.mail)
            line.patience.spend(applied.refused, monotonic())
            if report:
                line.noted, line.noted_at = report, monotonic()
            if not applied.is_done:
                return
        line.done()
        line.applied_at = monotonic()
        if report:
            line.report, line.touched = report, set()
            line.order, line.config = report.order, report.config
            self._configure([line])
        if line.report:
            line.touched |= runs_after(entries, line.report.sequence)
        send_orders(self._client, [(line.host, order) for order in _answers(line, entries)])

    def _judge(self, line: Line, report: Report) -> None:
        """Have the runs sent again that the report shows to be lost."""
        if not self._generation.is_unchanged():
            self._begin_generation()
            return
        line.judged_at, line.report = monotonic(), None
        if not self._generation.is_current(report.generation):
            self._generation.tell([line.host])
        elif report.sequence <= line.sequence:
            line.recovery.recover(report, line.touched)
            self._post.catch_up(line.host, report)

    def _trim(self, line: Line) -> None:
        """Drop from Redis what is applied, and the orders that the host has read."""
        line.trimmed_at = monotonic()
        pipeline = self._client.pipeline(transaction=False)
        pipeline.xtrim(up_stream(line.host), minid=line.applied, approximate=False)
        if is_identifier(line.order):
            pipeline.xtrim(orders_stream(line.host), minid=line.order, approximate=False)
        pipeline.execute()


def _is_note_due(line: Line, report: Report) -> bool:
    pause = NEWS_SECONDS if host_load.is_news(line.noted, report) else NOTE_SECONDS
    return monotonic() - line.noted_at >= pause


def _answers(line: Line, entries: list[Entry]) -> list[Order]:
    """Return what the host is told after its entries were applied."""
    last = last_sequence(entries)
    answers: list[Order] = []
    if last:
        answers.append(ConfirmOrder(sequence=line.sequence))
    if last > line.sequence:
        answers.append(AgainOrder(sequence=line.sequence + 1))
    return answers
