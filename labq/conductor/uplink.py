"""The loop that reads what hosts send: events are applied once and in order, reports are judged.

Everything read is a stranger's. One transaction for each host and batch; turns are bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import redis
from sqlalchemy import select

from labq.conductor.apply import Applier
from labq.conductor.entries import (
    Entry,
    closes,
    garbage,
    last_sequence,
    newest_report,
    parse,
    runs_after,
)
from labq.conductor.generation import Generation
from labq.conductor.lead import Lead
from labq.conductor.link import is_identifier, read_streams, send_orders
from labq.conductor.recovery import Recovery
from labq.domain.deadline import monotonic
from labq.domain.events import Report
from labq.domain.orders import AgainOrder, ConfirmOrder, Order
from labq.models.host import Host
from labq.streams import orders_stream, up_stream

PAUSE_SECONDS = 0.15
"""How long events of a host gather before they are applied."""
CLOSING_PAUSE_SECONDS = 0.07
"""How long when one of them closes a run; an event after a longer quiet is applied at once."""
JUDGE_SECONDS = 0.2
NOTE_SECONDS = 8.0
HOSTS_SECONDS = 5.0
TRIM_SECONDS = 1.0
BLOCK_SECONDS = 1.0
MOST_ENTRIES = 200


@dataclass(slots=True)
class _Line:
    """What the loop remembers of one host between turns; times are monotonic seconds."""

    host: str
    position: str
    sequence: int
    applier: Applier
    recovery: Recovery
    pending: list[Entry] = field(default_factory=list)
    report: Report | None = None
    touched: set[int] = field(default_factory=set)
    order: str = ""
    applied_at: float = 0.0
    judged_at: float = 0.0
    noted_at: float = 0.0
    trimmed_at: float = 0.0

    def due_at(self) -> float | None:
        """Return when there is something to do, None when there is nothing."""
        moments = []
        if self.pending:
            pause = CLOSING_PAUSE_SECONDS if closes(self.pending) else PAUSE_SECONDS
            moments.append(self.applied_at + pause)
        if self.report:
            moments.append(self.judged_at + JUDGE_SECONDS)
        return min(moments, default=None)


class Uplink:
    """Reads, applies, confirms and judges for one term."""

    def __init__(self, lead: Lead, client: redis.Redis) -> None:
        self._lead = lead
        self._client = client
        self._generation = Generation(lead, client)
        self._lines: dict[str, _Line] = {}
        self._listed_at = -HOSTS_SECONDS

    def run(self) -> None:
        """Work until the term ends; raises when the database or Redis fails."""
        try:
            while not self._lead.stop.is_set():
                self.turn()
                self._lead.note_hearing(is_hearing=True)
        finally:
            self._lead.note_hearing(is_hearing=False)

    def turn(self) -> None:
        """Wait for something from any host, and do what is due."""
        self._list_hosts()
        if not self._lines:
            self._lead.stop.wait(BLOCK_SECONDS)
            return
        self._read()
        for line in self._lines.values():
            due = line.due_at()
            if due is not None and due <= monotonic():
                self._serve(line)

    def _list_hosts(self) -> None:
        """Take up hosts that were added, and see whether Redis still has its data."""
        if monotonic() - self._listed_at < HOSTS_SECONDS:
            return
        with self._lead.reading() as session:
            rows = session.execute(select(Host.name, Host.up_id, Host.sequence)).all()
        self._lines = {
            name: self._lines.get(name) or self._new_line(name, position, sequence)
            for name, position, sequence in rows
        }
        self._listed_at = monotonic()
        if self._lines and not self._generation.is_unchanged():
            self._begin_generation()

    def _new_line(self, host: str, position: str, sequence: int) -> _Line:
        recovery = Recovery(self._lead, self._client, host)
        return _Line(host, position, sequence, Applier(self._lead, host), recovery)

    def _begin_generation(self) -> None:
        """Start over with a Redis that was emptied: no report counts until its host knows."""
        self._generation.renew(list(self._lines))
        for line in self._lines.values():
            line.position, line.report = "0-0", None

    def _read(self) -> None:
        """Read what is there, waiting for it no longer than until something is due."""
        moments = [due for line in self._lines.values() if (due := line.due_at()) is not None]
        wait = min([BLOCK_SECONDS, *(moment - monotonic() for moment in moments)])
        places = {
            up_stream(line.host): line
            for line in self._lines.values()
            if len(line.pending) < MOST_ENTRIES
        }
        if not places:
            return
        positions = {stream: line.position for stream, line in places.items()}
        found = read_streams(self._client, positions, count=MOST_ENTRIES, wait_seconds=wait)
        for stream, items in found:
            line = places[stream]
            line.pending += [parse(identifier, fields) for identifier, fields in items]
            line.position = line.pending[-1].id

    def _serve(self, line: _Line) -> None:
        if line.pending:
            self._apply(line)
        if line.report and monotonic() - line.judged_at >= JUDGE_SECONDS:
            self._judge(line, line.report)
        if monotonic() - line.trimmed_at >= TRIM_SECONDS:
            self._trim(line)

    def _apply(self, line: _Line) -> None:
        """Apply what is pending and confirm it; on an exception all of it stays pending."""
        entries, line.applied_at = line.pending, monotonic()
        report = newest_report(entries)
        is_note_due = report is not None and monotonic() - line.noted_at >= NOTE_SECONDS
        if is_note_due or last_sequence(entries) or any(garbage(entries)):
            line.sequence = line.applier.store(line.sequence, entries, report)
            line.noted_at = monotonic() if report else line.noted_at
        line.pending, line.applied_at = [], monotonic()
        if report:
            line.report, line.touched = report, set()
            line.order = report.order
        if line.report:
            line.touched |= runs_after(entries, line.report.sequence)
        send_orders(self._client, [(line.host, order) for order in _answers(line, entries)])

    def _judge(self, line: _Line, report: Report) -> None:
        """Have the runs sent again that the report shows to be lost."""
        if not self._generation.is_unchanged():
            self._begin_generation()
            return
        line.judged_at, line.report = monotonic(), None
        if not self._generation.is_current(report.generation):
            self._generation.tell([line.host])
        elif report.sequence <= line.sequence:
            line.recovery.recover(report, line.touched)

    def _trim(self, line: _Line) -> None:
        """Drop from Redis what is applied, and the orders that the host has read."""
        line.trimmed_at = monotonic()
        pipeline = self._client.pipeline(transaction=False)
        pipeline.xtrim(up_stream(line.host), minid=line.position, approximate=False)
        if is_identifier(line.order):
            pipeline.xtrim(orders_stream(line.host), minid=line.order, approximate=False)
        pipeline.execute()


def _answers(line: _Line, entries: list[Entry]) -> list[Order]:
    """Return what the host is told after its entries were applied."""
    last = last_sequence(entries)
    answers: list[Order] = []
    if last:
        answers.append(ConfirmOrder(sequence=line.sequence))
    if last > line.sequence:
        answers.append(AgainOrder(sequence=line.sequence + 1))
    return answers
