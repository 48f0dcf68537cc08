"""`failure_retry` and `repeat` of a block, around the method's work."""

from __future__ import annotations

import threading

from labq.domain.deadline import Deadline
from labq.domain.errors import RETRYABLE, InfrastructureError, LabqError
from labq.domain.plan import StepKind
from labq.domain.verdicts import Level
from labq.hw.console import ConsoleClosedError
from labq.hw.session import Session
from labq.runner.methods import Prepared


def run_tries(session: Session, prepared: Prepared) -> None:
    """Run the work until it passes or the tries are used up; with `repeat` run it that often.

    Raises the last error, or with `repeat` the first. Only Infrastructure, Job and Test errors are
    tried again.
    """
    step = session.step
    total = max(step.tries, step.repeat)
    errors: list[LabqError] = []
    for number in range(1, total + 1):
        error = _run_once(session, prepared)
        if error is not None:
            errors.append(error)
        elif step.repeat == 1:
            return
        if number < total:
            _between(session, error, number, total)
    if errors:
        raise errors[0 if step.repeat > 1 else -1]


def _run_once(session: Session, prepared: Prepared) -> LabqError | None:
    """Return the error that may be tried again, None when the work passed; raises others."""
    try:
        prepared.run(session, prepared.parameters)
    except ConsoleClosedError as error:
        return InfrastructureError(f"the console closed: {error}")
    except LabqError as error:
        if error.type not in RETRYABLE:
            raise
        return error
    return None


def _between(session: Session, error: LabqError | None, number: int, total: int) -> None:
    if error is not None:
        session.log(Level.ERROR, f"try {number} of {total} failed: {error}")
    if session.step.kind is StepKind.BOOT:
        for spec in session.plan.consoles:
            session.disconnect(spec.channel)
    _pause(session)


def _pause(session: Session) -> None:
    """Let the interval pass, on the journal's clock where the step replays its journal."""
    seconds = session.step.tries_interval
    if not session.step.replays:
        threading.Event().wait(seconds)
        return
    console = session.console()
    deadline = Deadline.after(seconds, console.now())
    while console.read(deadline) is not None:
        pass
