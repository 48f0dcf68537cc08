"""Further runs of a job after infrastructure failures: elsewhere where that is possible."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import ErrorType, Failure
from labq.domain.states import DeviceHealth, DeviceState, JobState, Outcome, RunState
from labq.models.result import TestCase
from labq.models.run import Run
from labq.services import devices, jobs
from labq.services.devices import NewDevice
from labq.services.jobs import SubmitOptions
from labq.services.transitions import By
from tests.integration.conductor_lab import (
    BOOT,
    COLLECT,
    DEFINITION,
    HOST,
    SHELL,
    Lab,
    began,
    ended,
    eventually,
    failed,
    result,
    whole_run,
)

DEAD_PORT = Failure(type=ErrorType.INFRASTRUCTURE, message="the serial port is dead")
WRONG_URL = Failure(type=ErrorType.JOB, message="no such image")


def test_a_job_runs_again_on_another_device_after_an_infrastructure_failure(lab: Lab) -> None:
    _add_board(lab)
    with lab.conducting():
        job = _submit(lab, retries=1)
        first = _run(lab, job, 1)
        lab.send(began(first.id, BOOT), result(first.id, BOOT, "login"))
        _fail(lab, first)
        second = _run(lab, job, 2)
        assert second.device_id != first.device_id
        assert lab.job(job).state is JobState.RUNNING
        assert lab.job(job).run_id == second.id
        lab.send(*whole_run(second.id))
        eventually(lambda: lab.is_finished(job), "the end")
    assert lab.job(job).outcome is Outcome.COMPLETE
    old = lab.run_by_id(first.id)
    assert (old.state, old.error_message) == (RunState.ENDED, DEAD_PORT.message)
    with Session(lab.engine) as session:
        assert session.scalars(select(TestCase.name)).all() == ["job"]


def test_the_same_device_is_taken_when_there_is_no_other(lab: Lab) -> None:
    with lab.conducting():
        job = _submit(lab, retries=1)
        first = _run(lab, job, 1)
        _fail(lab, first)
        second = _run(lab, job, 2)
        assert second.device_id == first.device_id
        _fail(lab, second)
        eventually(lambda: lab.is_finished(job), "the end")
    done = lab.job(job)
    assert (done.outcome, done.error_message) == (Outcome.INCOMPLETE, DEAD_PORT.message)


def test_a_further_run_waits_for_another_device_that_is_busy(lab: Lab) -> None:
    _add_board(lab)
    with lab.conducting():
        other = _submit(lab, device="board-2")
        busy = _run(lab, other, 1)
        job = _submit(lab, retries=1)
        _fail(lab, _run(lab, job, 1))
        after = _submit(lab, device="board-1")
        _run(lab, after, 1)
        assert _runs(lab, job) == 1
        lab.send(*whole_run(busy.id))
        second = _run(lab, job, 2)
    assert second.device_id == lab.device("board-2").id


def test_other_failures_and_jobs_without_retries_run_once(lab: Lab) -> None:
    with lab.conducting():
        wrong = _submit(lab, retries=3)
        _fail(lab, _run(lab, wrong, 1), WRONG_URL)
        eventually(lambda: lab.is_finished(wrong), "the end")
        plain = _submit(lab)
        _fail(lab, _run(lab, plain, 1))
        eventually(lambda: lab.is_finished(plain), "the end")
    assert (_runs(lab, wrong), _runs(lab, plain)) == (1, 1)
    assert lab.job(wrong).retries_left == 3


def test_a_job_is_canceled_between_two_runs(lab: Lab) -> None:
    with lab.conducting():
        job = _submit(lab, retries=1)
        first = _run(lab, job, 1)
        with Session(lab.engine) as session, session.begin():
            by = By("ann", datetime.now(UTC), "repair")
            devices.set_health(session, "board-1", DeviceHealth.MAINTENANCE, by)
        _fail(lab, first)
        eventually(lambda: lab.job(job).waits_again, "the wait for a further run")
        lab.cancel(job)
        done = lab.job(job)
        assert (done.state, done.outcome) == (JobState.FINISHED, Outcome.CANCELED)
        assert not done.waits_again
    with Session(lab.engine) as session:
        assert session.scalars(select(TestCase.name)).all() == ["job"]
    assert lab.device().state is DeviceState.IDLE


def test_a_canceled_run_is_not_followed_by_another(lab: Lab) -> None:
    with lab.conducting():
        job = _submit(lab, retries=1)
        first = _run(lab, job, 1)
        lab.send(began(first.id, BOOT), failed(first.id, BOOT, COLLECT, DEAD_PORT))
        eventually(lambda: lab.host().sequence == lab.sequence, "the failure")
        lab.cancel(job)
        lab.send(began(first.id, COLLECT, epoch=2), ended(first.id, COLLECT, None, epoch=2))
        eventually(lambda: lab.is_finished(job), "the end")
    assert lab.job(job).outcome is Outcome.CANCELED


def _submit(lab: Lab, *, retries: int = 0, device: str | None = None) -> int:
    options = SubmitOptions(retries=retries, device=device)
    with Session(lab.engine) as session, session.begin():
        now = datetime.now(UTC)
        return jobs.submit(session, DEFINITION, user=lab.user, now=now, options=options)


def _add_board(lab: Lab) -> None:
    with Session(lab.engine) as session, session.begin():
        new = NewDevice(name="board-2", device_type="shell", host=HOST, template=SHELL)
        devices.add(session, new, templates=())


def _run(lab: Lab, job: int, number: int) -> Run:
    """Return the run of a job with this number, once it is sent."""

    def sent() -> Run | None:
        with Session(lab.engine) as session:
            query = select(Run).where(Run.job_id == job, Run.number == number)
            return session.scalar(query.where(Run.sent.is_not(None)))

    return eventually(sent, f"run {number} of job {job}")


def _runs(lab: Lab, job: int) -> int:
    with Session(lab.engine) as session:
        return len(session.scalars(select(Run.id).where(Run.job_id == job)).all())


def _fail(lab: Lab, run: Run, failure: Failure = DEAD_PORT) -> None:
    lab.send(began(run.id, BOOT), failed(run.id, BOOT, COLLECT, failure))
    lab.send(began(run.id, COLLECT), ended(run.id, COLLECT, None))
