"""The clocks of a hold: the step's deadline, and the job's (gate, rule 10)."""

from __future__ import annotations

import asyncio

from labq.bench import endings
from labq.bench.endings import Floor
from labq.bench.stand import Stand
from labq.domain.deadline import monotonic
from labq.domain.errors import ErrorType, Failure
from labq.domain.plan import StepKind


def arm(floor: Floor, stand: Stand) -> None:
    """Start the clock of the present hold: of step or job, whichever is over first."""
    stand.stop_timer()
    run, hold = stand.run, stand.run.gate.hold
    if hold is None:
        return
    step = run.plan.steps[hold.step]
    # While the bench was away nobody read the device: no time of the step.
    # Nor does a step work that waits for the run's group to be complete.
    allowed = run.past.away + step.deadline + run.joining_seconds
    seconds = run.past.last_begin_at + allowed - monotonic()
    job = job_seconds_left(stand)
    is_job = step.kind is not StepKind.COLLECT and job < seconds
    act = _end_job if is_job else _lose_step
    stand.timer = asyncio.get_running_loop().call_later(
        max(0.0, min(job, seconds) if is_job else seconds), act, floor, stand, hold.token
    )


def job_seconds_left(stand: Stand) -> float:
    """Return how long the run may still work; waits for slots do not count."""
    return stand.run.plan.job_deadline - stand.run.job_seconds(monotonic())


def job_timeout(stand: Stand) -> Failure:
    """Return the failure of a run whose time is over."""
    text = f"job timed out after {stand.run.plan.job_deadline:g} seconds"
    return Failure(type=ErrorType.JOB, message=text)


def _end_job(floor: Floor, stand: Stand, token: str) -> None:
    if _is_held(stand, token):
        floor.start(endings.finish(floor, stand, job_timeout(stand)))


def _lose_step(floor: Floor, stand: Stand, token: str) -> None:
    if _is_held(stand, token):
        seconds = stand.run.plan.steps[stand.run.step].deadline
        reason = f"it is over its deadline of {seconds:g} seconds"
        floor.fence(stand, reason)
        floor.lose(stand, reason)


def _is_held(stand: Stand, token: str) -> bool:
    hold = stand.run.gate.hold
    return hold is not None and hold.token == token
