"""The life of a job as the conductor leads it, with a host played by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from labq.conductor.apply import Applier
from labq.conductor.entries import Entry
from labq.conductor.scheduler import Scheduler
from labq.domain.errors import ErrorType, Failure
from labq.domain.orders import ConfirmOrder
from labq.domain.states import DeviceHealth, DeviceState, JobState, Outcome, RunState, StepState
from labq.models.device import Device, Reservation
from labq.models.result import TestCase, TestSuite
from labq.services.transitions import Work
from labq.streams import ReceivedBatch
from tests.integration.conductor_lab import (
    BOOT,
    COLLECT,
    DEFINITION,
    HOST,
    TEST,
    Lab,
    began,
    ended,
    eventually,
    failed,
    result,
    whole_run,
)

BROKEN_POWER = Failure(type=ErrorType.INFRASTRUCTURE, message="PDU does not answer")
WRONG_PROMPT = Failure(type=ErrorType.JOB, message="no prompt")


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
    assert lab.device().health is DeviceHealth.UNKNOWN
    assert lab.run_of(job).state is RunState.ENDED
    assert [lab.step(run.id, step).state for step in range(3)] == [StepState.DONE] * 3
    assert ConfirmOrder(sequence=6) in lab.orders()
    assert _cases(lab, job) == [("lava", "job", "pass")]
    assert _active_reservations(lab) == 0


def test_states_follow_the_first_step(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending")
        assert lab.job(job).state is JobState.SCHEDULED
        assert lab.device().state is DeviceState.RESERVED
        lab.send(began(run.id, BOOT))
        eventually(lambda: lab.job(job).state is JobState.RUNNING, "running")
        assert lab.device().state is DeviceState.RUNNING
        step = lab.step(run.id, BOOT)
        assert (step.state, step.waited_ms, step.begins) == (StepState.RUNNING, 3, 1)


@pytest.mark.parametrize(
    ("clock", "after", "before"),
    [
        (timedelta(microseconds=1), timedelta(microseconds=1), timedelta(microseconds=1)),
        (timedelta(days=-1), timedelta(0), timedelta(0)),
        (timedelta(days=1), timedelta(0), timedelta(hours=1)),
    ],
    ids=["right", "slow", "fast"],
)
def test_a_job_starts_when_its_host_says_within_the_time_of_the_server(
    lab: Lab, clock: timedelta, after: timedelta, before: timedelta
) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending")
        submitted_at = lab.job(job).submitted_at
        lab.send(replace(began(run.id, BOOT), at=submitted_at + clock))
        eventually(lambda: lab.job(job).state is JobState.RUNNING, "running")
    started_at = lab.job(job).started_at
    assert started_at is not None
    assert submitted_at + after <= started_at <= submitted_at + before


def test_a_failed_step_ends_the_job_with_its_error_and_casts_doubt_on_the_device(lab: Lab) -> None:
    with Session(lab.engine) as session, session.begin():
        session.scalars(select(Device)).one().health = DeviceHealth.GOOD
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.send(began(run, BOOT), failed(run, BOOT, COLLECT, BROKEN_POWER))
        lab.send(began(run, COLLECT), ended(run, COLLECT, None))
        eventually(lambda: lab.is_finished(job), "the end")
    done = lab.job(job)
    assert (done.outcome, done.error_type) == (Outcome.INCOMPLETE, ErrorType.INFRASTRUCTURE)
    assert done.error_message == "PDU does not answer"
    assert lab.step(run, TEST).state is StepState.SKIPPED
    device = lab.device()
    assert (device.state, device.health) == (DeviceState.IDLE, DeviceHealth.UNKNOWN)
    assert "PDU does not answer" in device.health_reason
    assert _cases(lab, job) == [("lava", "job", "fail")]
    with Session(lab.engine) as session:
        details = session.scalars(select(TestCase.details)).one()
    assert details["error_type"] == "Infrastructure"
    assert details["error_msg"] == "PDU does not answer"


def test_the_first_failure_names_the_error_and_a_job_error_leaves_the_device_good(
    lab: Lab,
) -> None:
    with Session(lab.engine) as session, session.begin():
        session.scalars(select(Device)).one().health = DeviceHealth.GOOD
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.send(began(run, BOOT), failed(run, BOOT, COLLECT, WRONG_PROMPT))
        lab.send(began(run, COLLECT), failed(run, COLLECT, None, BROKEN_POWER))
        eventually(lambda: lab.is_finished(job), "the end")
    assert lab.job(job).error_type is ErrorType.JOB
    assert lab.device().health is DeviceHealth.GOOD


def test_a_job_that_cannot_be_planned_ends_incomplete_and_leaves_the_device_free(lab: Lab) -> None:
    text = DEFINITION.replace("method: minimal", "method: grub")
    with lab.conducting():
        job = lab.submit(text)
        eventually(lambda: lab.is_finished(job), "the end")
        after = lab.submit()
        eventually(lambda: lab.sent_run(after), "the next job's sending")
    done = lab.job(job)
    assert (done.outcome, done.error_type) == (Outcome.INCOMPLETE, ErrorType.JOB)
    assert "grub" in done.error_message
    assert done.run_id is None
    assert _cases(lab, job) == [("lava", "validate", "fail"), ("lava", "job", "fail")]


def test_a_device_whose_dictionary_does_not_render_is_set_aside_and_its_job_waits(
    lab: Lab,
) -> None:
    with Session(lab.engine) as session, session.begin():
        session.scalars(select(Device)).one().template = "{% extends 'gone.jinja2' %}"
    with lab.conducting():
        job = lab.submit()
        eventually(lambda: lab.device().health is DeviceHealth.BAD, "bad health")
        assert lab.job(job).state is JobState.SUBMITTED
    assert "gone.jinja2" in lab.device().health_reason


def test_waiting_jobs_go_by_priority_and_one_device_takes_one_job_at_a_time(lab: Lab) -> None:
    low = lab.submit(DEFINITION.replace("medium", "low"))
    high = lab.submit(DEFINITION.replace("medium", "high"))
    with lab.conducting():
        run = eventually(lambda: lab.sent_run(high), "sending")
        assert lab.job(low).state is JobState.SUBMITTED
        lab.send(*whole_run(run.id))
        eventually(lambda: lab.sent_run(low), "the second job's sending")


def test_a_device_of_a_silent_host_gets_no_job_until_the_host_reports(bare_lab: Lab) -> None:
    bare_lab.prepare()
    job = bare_lab.submit()
    with bare_lab.conducting():
        assert bare_lab.job(job).state is JobState.SUBMITTED
        bare_lab.report()
        eventually(lambda: bare_lab.sent_run(job), "sending")
    assert bare_lab.host().version == "1"


def test_devices_that_share_a_resource_do_not_run_at_once(bare_lab: Lab) -> None:
    bare_lab.prepare(boards=2)
    bare_lab.online()
    with Session(bare_lab.engine) as session, session.begin():
        for device in session.scalars(select(Device)):
            device.exclusive = ["mux"]
    first, second = bare_lab.submit(), bare_lab.submit()
    lead = bare_lab.lead()
    scheduler = Scheduler(lead, bare_lab.client, ())
    scheduler.work(frozenset({Work.PAIRING}))
    scheduler.work(frozenset({Work.PAIRING}))
    assert bare_lab.run_of(second) is None
    run = bare_lab.run_of(first).id
    Applier(lead, HOST).store(0, [Entry("1-1", ReceivedBatch(1, tuple(whole_run(run))))], None)
    scheduler.work(frozenset({Work.PAIRING}))
    assert bare_lab.run_of(second) is not None


def test_results_are_kept_by_suite_and_reported_twice_are_there_once(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.send(began(run, BOOT), ended(run, BOOT, TEST), began(run, TEST))
        lab.send(result(run, TEST, "a", 10), result(run, TEST, "b", 20), result(run, TEST, "a", 10))
        lab.send(ended(run, TEST, COLLECT), began(run, COLLECT), ended(run, COLLECT, None))
        eventually(lambda: lab.is_finished(job), "the end")
    assert _cases(lab, job) == [
        ("0_shell", "a", "pass"),
        ("0_shell", "b", "pass"),
        ("lava", "job", "pass"),
    ]


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
