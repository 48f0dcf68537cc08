"""The steps of a job on one time axis, as bars of 1000 units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from labq.domain.states import StepState
from labq.services.job_view import JobView, RunView, StepView

LENGTH = 1000.0
LEAST_WIDTH = 3.0
_KINDS = {StepState.RUNNING: "running", StepState.FAILED: "failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A row: how long it waited and took, where that lies on the axis. `kind` is a colour class."""

    name: str
    state: str
    wait_seconds: float | None
    seconds: float | None
    wait_x: float = 0.0
    wait_width: float = 0.0
    x: float = 0.0
    width: float = 0.0
    kind: str = ""
    begins: int = 1
    error: str = ""


def timeline(job: JobView, now: datetime) -> list[Bar]:
    """Return the queue wait and the steps of a job's latest run."""
    end = job.ended_at or now
    axis = _Axis(job.submitted_at, max(end, job.submitted_at + timedelta(milliseconds=1)))
    run = next((run for run in job.runs if run.id == job.run_id), None)
    return [_queue(job, run, axis), *(_step(step, axis) for step in (run.steps if run else ()))]


@dataclass(frozen=True, slots=True)
class _Axis:
    begin: datetime
    end: datetime

    def place(self, moment: datetime) -> float:
        share = (moment - self.begin) / (self.end - self.begin)
        return LENGTH * min(1.0, max(0.0, share))

    def span(self, begin: datetime, end: datetime | None) -> tuple[float, float]:
        """Return where a span begins and its width; a short one is still seen."""
        width = max(LEAST_WIDTH, self.place(end or self.end) - self.place(begin))
        return min(self.place(begin), LENGTH - width), width


def _queue(job: JobView, run: RunView | None, axis: _Axis) -> Bar:
    ended = run.reserved_at if run else job.ended_at
    x, width = axis.span(job.submitted_at, ended)
    seconds = ((ended or axis.end) - job.submitted_at).total_seconds()
    state = StepState.DONE if ended else StepState.WAITING
    return Bar(
        name="queue",
        state=state,
        wait_seconds=seconds,
        seconds=None,
        wait_x=x,
        wait_width=width,
    )


def _step(step: StepView, axis: _Axis) -> Bar:
    error = f"{step.error.type}: {step.error.message}" if step.error else ""
    if step.suspect:
        error += f" (perhaps not the board's fault: {step.suspect})"
    bar = Bar(
        name=step.name,
        state=step.state,
        wait_seconds=None,
        seconds=step.duration_seconds,
        begins=step.begins,
        error=error,
    )
    return bar if step.began_at is None else _placed(bar, step, step.began_at, axis)


def _placed(bar: Bar, step: StepView, began_at: datetime, axis: _Axis) -> Bar:
    x, width = axis.span(began_at, step.ended_at)
    wait_x = axis.place(began_at - timedelta(seconds=step.slot_wait_seconds))
    return replace(
        bar,
        wait_seconds=step.slot_wait_seconds,
        seconds=((step.ended_at or axis.end) - began_at).total_seconds(),
        wait_x=wait_x,
        wait_width=max(0.0, x - wait_x),
        x=x,
        width=width,
        kind=_KINDS.get(step.state, "done"),
    )
