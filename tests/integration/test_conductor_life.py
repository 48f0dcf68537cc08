"""The life of a job as the conductor leads it, with a host played by hand."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from labq.domain.orders import ConfirmOrder
from labq.domain.states import DeviceState, Outcome, RunState, StepState
from labq.models.device import Reservation
from labq.models.result import TestCase, TestSuite
from tests.integration.conductor_lab import (
    BOOT,
    Lab,
    eventually,
    whole_run,
)


def test_a_job_goes_to_an_idle_device_and_ends_complete(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending")
        order = lab.run_orders(run.id)[0]
        assert (order.epoch, order.next, order.device) == (1, 0, "board-1")
        assert order.plan is not None
        assert lab.messages() == {f"{run.id}-1-{BOOT}"}
        lab.send(*whole_run(run.id))
        eventually(lambda: lab.is_finished(job), "the end")
    done = lab.job(job)
    assert (done.outcome, done.error_type) == (Outcome.COMPLETE, None)
    assert lab.device().state is DeviceState.IDLE
    assert lab.run_of(job).state is RunState.ENDED
    assert [lab.step(run.id, step).state for step in range(3)] == [StepState.DONE] * 3
    assert ConfirmOrder(sequence=6) in lab.orders()
    assert _cases(lab, job) == [("lava", "job", "pass")]
    assert _active_reservations(lab) == 0


def _cases(lab: Lab, job: int) -> list[tuple[str, str, str]]:
    query = (
        select(TestSuite.name, TestCase.name, TestCase.verdict)
        .join(TestSuite, TestSuite.id == TestCase.suite_id)
        .where(TestSuite.job_id == job)
        .order_by(TestSuite.name, TestCase.id)
    )
    with Session(lab.engine) as session:
        return [(suite, case, str(verdict)) for suite, case, verdict in session.execute(query)]


def _active_reservations(lab: Lab) -> int:
    query = select(func.count()).where(Reservation.released_at.is_(None))
    with Session(lab.engine) as session:
        return session.scalar(query) or 0
