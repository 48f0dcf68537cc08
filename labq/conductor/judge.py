"""Which runs of a host have lost their message, judged from its reports (the gate's rule 1).

Pure but for what it remembers between reports; times are the caller's monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from labq.conductor.link import is_at_or_past
from labq.domain.events import HoldState, Report, RunReport
from labq.queue import task_id

GRACE_SECONDS = 0.5


class Loss(Enum):
    """What a report says about a run that has to be sent again."""

    IDLE = "nobody has its next step"
    UNKNOWN = "the host does not know the run"
    BEHIND = "the host has not seen the epoch"


@dataclass(frozen=True, slots=True)
class Sending:
    """A run as the server last sent it; `sent` is the id of the order, None before."""

    run: int
    epoch: int
    next: int
    sent: str | None


@dataclass(frozen=True, slots=True)
class Missing:
    """A run to be sent again, from the host's next step when the host knows it.

    `back` is the step to which the host says that it must go back.
    """

    run: int
    step: int
    loss: Loss
    back: int | None = None


@dataclass(frozen=True, slots=True)
class _Sight:
    """When something was seen, and in which report."""

    boot: str
    number: int
    at: float

    def is_past(self, later: _Sight) -> bool:
        """Tell whether `later` comes from a newer report and the grace is over."""
        is_newer = later.boot != self.boot or later.number > self.number
        return is_newer and later.at - self.at >= GRACE_SECONDS


class Judge:
    """The judgement over one host."""

    def __init__(self) -> None:
        self._queued: dict[str, _Sight] = {}
        self._absent: dict[tuple[int, str], _Sight] = {}

    def judge(
        self,
        report: Report,
        runs: Sequence[Sending],
        read_queue: Callable[[], set[str]],
        now: float,
    ) -> list[Missing]:
        """Return the runs whose message is lost; `read_queue` is called only when it matters.

        The caller has checked that the report carries the current generation and that all events
        up to its sequence are applied.
        """
        shown = {run.run: run for run in report.runs}
        sight = _Sight(report.boot, report.number, now)
        suspects = [
            (sending, missing)
            for sending in runs
            if sending.sent is not None and is_at_or_past(report.order, sending.sent)
            if (missing := self._suspect(sending, shown.get(sending.run), sight))
        ]
        self._forget(runs)
        if not suspects:
            return []
        waiting = read_queue()
        return [
            missing
            for sending, missing in suspects
            if self._has_left_the_queue(
                task_id(missing.run, sending.epoch, missing.step), waiting, sight
            )
        ]

    def _suspect(self, sending: Sending, run: RunReport | None, sight: _Sight) -> Missing | None:
        """Return what is wrong with a run whose order the host has read, leaving out the queue."""
        key = (sending.run, sending.sent or "")
        if run is not None and run.epoch >= sending.epoch:
            self._absent.pop(key, None)
            is_idle = run.state is HoldState.IDLE and run.idle_ms >= GRACE_SECONDS * 1000
            is_present = run.epoch == sending.epoch
            missing = Missing(sending.run, run.next, Loss.IDLE, run.back)
            return missing if is_idle and is_present else None
        if not self._absent.setdefault(key, sight).is_past(sight):
            return None
        return Missing(sending.run, sending.next, Loss.BEHIND if run else Loss.UNKNOWN)

    def _has_left_the_queue(self, message: str, waiting: set[str], sight: _Sight) -> bool:
        if message in waiting:
            self._queued[message] = sight
            return False
        last = self._queued.get(message)
        return last is None or last.is_past(sight)

    def _forget(self, runs: Sequence[Sending]) -> None:
        """Drop what is remembered of sendings that are no longer the present ones."""
        present = {(sending.run, sending.sent or "") for sending in runs}
        self._absent = {key: sight for key, sight in self._absent.items() if key in present}
        epochs = {f"{sending.run}-{sending.epoch}" for sending in runs}
        self._queued = {
            message: sight
            for message, sight in self._queued.items()
            if message.rpartition("-")[0] in epochs
        }
