"""Runs one step: registers with the bench, does the method's work with its tries, ends the step."""

from __future__ import annotations

import errno
import logging
import traceback
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from labq.actions.steps.expiry import TestTimeoutError
from labq.actions.steps.group import Group
from labq.actions.steps.work import Work
from labq.benchlink.client import HoldLostError, StepSession, begin
from labq.domain.errors import ErrorType, Failure, InfrastructureError, JobError, LabqError
from labq.domain.plan import StepKind
from labq.domain.verdicts import Level, Verdict
from labq.hw.console import ConsoleClosedError
from labq.hw.session import Session
from labq.log import bound
from labq.runner.methods import check, prepare
from labq.runner.tries import run_tries

LOG = logging.getLogger(__name__)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Outcome(StrEnum):
    """What became of a step's message."""

    DONE = "done"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """The outcome, and the session that stays open until the next message is on its way."""

    outcome: Outcome
    session: StepSession | None = None


def run_step(run: int, epoch: int, step: int, *, socket: Path) -> StepOutcome:
    """Run a step when the bench grants it; never raises but for a bench that is gone for long."""
    session = begin(socket, run=run, epoch=epoch, step=step)
    if session is None:
        return StepOutcome(Outcome.DROPPED)
    plan = session.plan
    with bound(run=run, job=plan.job, device=plan.device):
        try:
            failure = attempt(session)
            session.end(failure)
        except HoldLostError as error:
            LOG.info("step %s of run %s is not ours any more: %s", step, run, error)
            session.release()
            return StepOutcome(Outcome.DROPPED)
        except BaseException:
            session.release()
            raise
    return StepOutcome(Outcome.FAILED if failure else Outcome.DONE, session)


def attempt(session: Session) -> Failure | None:
    """Do the step's work; returns the failure, None when it went well. Raises HoldLostError."""
    try:
        _work(session)
    except HoldLostError:
        raise
    except TestTimeoutError as error:
        if session.step.timeouts.skip:
            session.log(Level.WARNING, f"{error}; the block says skip: going on")
            return None
        return _failed(session, error)
    except LabqError as error:
        return _failed(session, error)
    except ConsoleClosedError as error:
        return _failed(session, InfrastructureError(f"the console closed: {error}"))
    except Exception as error:  # noqa: BLE001 - the outermost loop of a step
        return _unexpected(session, error)
    return None


def _work(session: Session) -> None:
    if session.step.index == 0 and session.step.kind is not StepKind.COLLECT:
        if session.plan.seat is not None:
            Group(session, session.plan.seat).join()
        _validate(session)
    run_tries(session, prepare(session.step))


def _validate(session: Session) -> None:
    work = Work(session, deadlines=[])
    try:
        check(session.plan)
    except JobError:
        work.report("validate", Verdict.FAIL)
        raise
    work.report("validate", Verdict.PASS)


def _failed(session: Session, error: LabqError) -> Failure:
    failure = error.failure()
    if failure.type is ErrorType.BUG:
        return _bug(session, error)
    session.log(Level.ERROR, f"{failure.type}Error: {failure.message}")
    return failure


def _unexpected(session: Session, error: Exception) -> Failure:
    """Return the failure of what labq did not raise on purpose: a bug, but for a full disk."""
    if isinstance(error, OSError) and error.errno in FULL:
        return _failed(session, InfrastructureError(f"the disk of the host is full: {error}"))
    return _bug(session, error)


def _bug(session: Session, error: Exception) -> Failure:
    LOG.error("bug in step %s", session.step.name, exc_info=error)
    session.log(Level.EXCEPTION, "".join(traceback.format_exception(error)))
    return Failure(type=ErrorType.BUG, message=f"{type(error).__name__}: {error}")
