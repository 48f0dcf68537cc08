"""Where waits and steps lie on a job's time axis."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from labq.domain.errors import ErrorType, Failure
from labq.domain.plan import Queue, StepKind
from labq.domain.states import JobState, RunState, StepState
from labq.services.job_view import JobView, RunView, StepView
from labq.web.timeline import LENGTH, timeline

START = datetime(2026, 1, 1, tzinfo=UTC)


def _at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


STEP = StepView(
    position=0,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    name="boot",
    method="qemu",
    state=StepState.DONE,
    begins=1,
    slot_wait_seconds=10,
    began_at=_at(40),
    ended_at=_at(90),
    duration_seconds=50,
    error=None,
    suspect="",
)
RUN = RunView(
    id=5,
    number=1,
    device="b",
    host="h",
    state=RunState.ENDED,
    reserved_at=_at(20),
    began_at=_at(30),
    ended_at=_at(100),
    log_bytes=0,
    log_lines=0,
    steps=(STEP,),
)
JOB = JobView(
    id=1,
    name="j",
    submitter="ann",
    device_type="t",
    device="b",
    host="h",
    wanted_device=None,
    wanted_host=None,
    tags=(),
    priority=50,
    viewing_groups=None,
    state=JobState.FINISHED,
    outcome=None,
    error=None,
    submitted_at=START,
    started_at=_at(30),
    ended_at=_at(100),
    queue_until=None,
    slot_wait=None,
    queue_wait_seconds=20,
    duration_seconds=70,
    resubmit_of=None,
    run_id=5,
    may_change=False,
    runs=(RUN,),
    suites=(),
)


def test_the_queue_and_each_step_lie_where_they_happened() -> None:
    queue, boot = timeline(JOB, _at(500))
    assert (queue.name, queue.wait_x, queue.wait_width) == ("queue", 0, 0.2 * LENGTH)
    assert (boot.wait_x, boot.wait_width) == (0.3 * LENGTH, 0.1 * LENGTH)
    assert (boot.x, boot.width, boot.kind) == (0.4 * LENGTH, 0.5 * LENGTH, "done")
    assert (boot.wait_seconds, boot.seconds) == (10, 50)


def test_a_running_step_reaches_to_now() -> None:
    step = replace(STEP, state=StepState.RUNNING, ended_at=None, duration_seconds=None)
    job = replace(JOB, state=JobState.RUNNING, ended_at=None, runs=(replace(RUN, steps=(step,)),))
    _, boot = timeline(job, _at(200))
    assert boot.x + boot.width == pytest.approx(LENGTH)
    assert (boot.kind, boot.seconds) == ("running", 160)


def test_a_step_that_took_no_time_is_still_seen_within_the_axis() -> None:
    step = replace(STEP, began_at=_at(100), ended_at=_at(100), slot_wait_seconds=0)
    _, boot = timeline(replace(JOB, runs=(replace(RUN, steps=(step,)),)), _at(100))
    assert boot.width > 0
    assert boot.x + boot.width <= LENGTH


def test_a_failed_step_says_its_error() -> None:
    failure = Failure(type=ErrorType.JOB, message="no prompt")
    step = replace(STEP, state=StepState.FAILED, error=failure)
    _, boot = timeline(replace(JOB, runs=(replace(RUN, steps=(step,)),)), _at(100))
    assert (boot.kind, boot.error) == ("failed", "Job: no prompt")


def test_a_job_that_waits_has_only_the_queue_and_grows() -> None:
    job = replace(JOB, state=JobState.SUBMITTED, runs=(), run_id=None, ended_at=None)
    (queue,) = timeline(job, _at(60))
    assert (queue.wait_seconds, queue.wait_width, queue.state) == (60, LENGTH, "waiting")


def test_clocks_that_disagree_do_not_break_the_page() -> None:
    step = replace(STEP, began_at=_at(-5), ended_at=_at(-6))
    bars = timeline(replace(JOB, ended_at=_at(-10), runs=(replace(RUN, steps=(step,)),)), _at(0))
    assert all(0 <= bar.x <= LENGTH and bar.width >= 0 for bar in bars)


def test_a_failure_that_may_be_the_hosts_says_so():
    failure = Failure(type=ErrorType.JOB, message="no prompt")
    step = replace(STEP, error=failure, suspect="the host was overloaded")
    bars = timeline(replace(JOB, runs=(replace(RUN, steps=(step,)),)), _at(100))
    assert bars[1].error == (
        "Job: no prompt (perhaps not the board's fault: the host was overloaded)"
    )
