"""Runs that wait for a slot: how many are before them, for what, and the lines in their logs."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from labq.bench.endings import Floor
from labq.bench.gate import Waiter
from labq.bench.limits import Limits
from labq.bench.run import BenchRun
from labq.domain.errors import LabqError
from labq.domain.events import WaitReport
from labq.domain.figures import describe_seconds
from labq.domain.plan import Queue
from labq.domain.verdicts import Level

FIRST_SECONDS = 1.0
"""A wait that is over sooner is not worth a line."""
AGAIN_SECONDS = 30.0

log = logging.getLogger(__name__)


def waits(floor: Floor, now: float) -> Iterator[WaitReport]:
    """Yield the runs that wait for a slot, in the order in which they will get one."""
    gate, limits = floor.gate, floor.host.limits
    before: Counter[Queue] = Counter()
    used = gate.used()
    for run in gate.waiting():
        queue = run.plan.steps[run.next].queue
        if run.waiter and (limits.of(queue) is not None or limits.is_serial):
            yield WaitReport(
                run=run.run,
                queue=queue.value,
                ahead=before[queue],
                waited_ms=max(0, int((now - run.waiter.since) * 1000)),
                reason=_reason(limits, queue, used[queue], now),
            )
        before[queue] += 1


def say_granted(run: BenchRun, waiter: Waiter, now: float) -> None:
    """Say in the log that a wait is over, and that timeouts are stretched; raises LabqError."""
    step, waited = run.plan.steps[run.gate.next], now - waiter.since
    if waited >= FIRST_SECONDS and step.queue is not Queue.COLLECT:
        run.say(Level.INFO, f"got a {step.queue} slot after {describe_seconds(waited)}")
    if step.timeouts.scale != 1.0:
        run.say(
            Level.INFO, f"timeouts of {step.name} are {step.timeouts.scale:g} times as long here"
        )


@dataclass(slots=True)
class _Told:
    """When a waiter was last told of in its log."""

    connection: int
    at: float


class WaitLines:
    """Writes a line when a wait begins to count, and one every half minute."""

    def __init__(self) -> None:
        self._told: dict[int, _Told] = {}

    def tell(self, floor: Floor, now: float) -> None:
        """Write what is due, forget who waits no more."""
        found = {wait.run: wait for wait in waits(floor, now)}
        self._told = {run: told for run, told in self._told.items() if run in found}
        for run, wait in found.items():
            waiter = floor.gate.runs[run].waiter
            if waiter and wait.waited_ms >= FIRST_SECONDS * 1000 and self._is_due(run, waiter, now):
                self._told[run] = _Told(waiter.connection, now)
                _say(floor, wait)

    def _is_due(self, run: int, waiter: Waiter, now: float) -> bool:
        told = self._told.get(run)
        is_new = told is None or told.connection != waiter.connection
        return is_new or (told is not None and now - told.at >= AGAIN_SECONDS)


def _say(floor: Floor, wait: WaitReport) -> None:
    waited = describe_seconds(wait.waited_ms / 1000)
    text = f"waits for a {wait.queue} slot for {waited}, {wait.ahead} ahead: {wait.reason}"
    try:
        floor.stands[wait.run].run.say(Level.INFO, text)
    except LabqError as error:
        log.warning("run %d: %s", wait.run, error)


def _reason(limits: Limits, queue: Queue, used: int, now: float) -> str:
    limit = limits.of(queue)
    if limit is not None and used >= limit:
        return f"{used} of {limit} in use ({limits.reason(queue)})"
    if limits.pause(queue, now):
        return f"starts are kept apart ({limits.reason(queue)})"
    if limits.is_serial:
        return "one job at a time on this host (preset serial)"
    return "the device is not free yet"
