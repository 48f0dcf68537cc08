"""Cancel in every state of a job, and queue timeouts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import ErrorType, ForbiddenError, NotFoundError
from labq.domain.states import DeviceState, JobState, Outcome, RunState, StepState
from labq.models.job import Job
from labq.models.result import TestCase
from labq.services import jobs
from labq.services.visibility import Viewer
from tests.integration.conductor_lab import (
    BOOT,
    COLLECT,
    DEFINITION,
    TEST,
    Lab,
    began,
    ended,
    eventually,
    result,
    whole_run,
)


def test_a_waiting_job_is_canceled_at_once(lab: Lab) -> None:
    job = lab.submit()
    lab.cancel(job)
    done = lab.job(job)
    assert (done.state, done.outcome) == (JobState.FINISHED, Outcome.CANCELED)
    assert (done.error_type, done.error_message) == (ErrorType.CANCELED, "canceled by ann")
    assert done.started_at == done.ended_at
    with Session(lab.engine) as session:
        assert session.scalars(select(TestCase.name)).all() == ["job"]


def test_a_scheduled_job_is_sent_to_collect_at_a_higher_epoch(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        first = eventually(lambda: lab.sent_run(job), "sending")
        run = first.id
        lab.take_messages()
        lab.cancel(job)
        order = eventually(lambda: lab.order_after(first), "the second order")
        assert (order.epoch, order.next, order.reason) == (2, COLLECT, "canceled by ann")
        eventually(lambda: lab.messages() == {f"{run}-2-{COLLECT}"}, "the message of collect")
        assert lab.job(job).state is JobState.CANCELING
        lab.send(began(run, COLLECT, epoch=2), ended(run, COLLECT, None, epoch=2))
        eventually(lambda: lab.is_finished(job), "the end")
    done = lab.job(job)
    assert (done.outcome, done.error_type) == (Outcome.CANCELED, ErrorType.CANCELED)
    assert lab.device().state is DeviceState.IDLE
    assert lab.step(run, BOOT).state is StepState.SKIPPED


def test_a_running_job_is_canceled_and_its_events_of_before_count_no_more(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.send(began(run, BOOT), ended(run, BOOT, TEST), began(run, TEST))
        eventually(lambda: lab.step(run, TEST).state is StepState.RUNNING, "the test")
        lab.cancel(job)
        lab.send(ended(run, TEST, COLLECT), began(run, COLLECT))
        eventually(lambda: lab.host().sequence == 5, "the late events")
        assert lab.step(run, COLLECT).state is StepState.WAITING
        lab.send(began(run, COLLECT, epoch=2), ended(run, COLLECT, None, epoch=2))
        eventually(lambda: lab.is_finished(job), "the end")
    assert lab.job(job).outcome is Outcome.CANCELED


def test_an_end_that_closes_the_run_is_accepted_at_an_older_epoch(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.send(*whole_run(run)[:-1])
        eventually(lambda: lab.host().sequence == 5, "the events")
        lab.cancel(job)
        lab.send(ended(run, COLLECT, None, epoch=1))
        eventually(lambda: lab.is_finished(job), "the end")
    assert lab.job(job).outcome is Outcome.CANCELED
    assert lab.run_of(job).state is RunState.ENDED


def test_canceling_twice_changes_nothing_more(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.cancel(job)
        lab.cancel(job)
        assert lab.run_of(job).epoch == 2
        lab.send(began(run, COLLECT, epoch=2), ended(run, COLLECT, None, epoch=2))
        eventually(lambda: lab.is_finished(job), "the end")
    lab.cancel(job)
    assert lab.job(job).outcome is Outcome.CANCELED


def test_a_cancel_in_collect_does_not_double_its_results(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.send(*whole_run(run)[:-1], result(run, COLLECT, "power-off"))
        eventually(lambda: lab.host().sequence == 6, "the events")
        lab.cancel(job)
        lab.send(began(run, COLLECT, epoch=2), result(run, COLLECT, "power-off", epoch=2))
        lab.send(ended(run, COLLECT, None, epoch=2))
        eventually(lambda: lab.is_finished(job), "the end")
    with Session(lab.engine) as session:
        assert sorted(session.scalars(select(TestCase.name))) == ["job", "power-off"]


def test_only_the_submitter_or_an_admin_may_cancel(lab: Lab) -> None:
    job = lab.submit()
    hidden = lab.submit(DEFINITION.replace("visibility: public", "visibility: personal"))
    stranger = Viewer(user_id=lab.user.user_id + 1, name="bob")
    with Session(lab.engine) as session:
        with pytest.raises(ForbiddenError):
            jobs.cancel(session, job, user=stranger, now=datetime.now(UTC))
        with pytest.raises(NotFoundError):
            jobs.cancel(session, hidden, user=stranger, now=datetime.now(UTC))
        done = jobs.cancel_many(session, [job, hidden, 777], user=stranger, now=datetime.now(UTC))
        assert (done.canceled, done.forbidden, done.unknown) == ((), (job,), (hidden, 777))
        admin = Viewer(user_id=stranger.user_id, name="root", is_admin=True)
        done = jobs.cancel_many(session, [job, hidden], user=admin, now=datetime.now(UTC))
        assert done.canceled == (job, hidden)


def test_a_job_that_waited_too_long_is_canceled_by_the_conductor(lab: Lab) -> None:
    text = DEFINITION.replace("timeouts:\n", "timeouts:\n  queue: {minutes: 1}\n")
    job = lab.submit(text)
    with Session(lab.engine) as session, session.begin():
        row = session.get_one(Job, job)
        assert row.queue_until == row.submitted_at + timedelta(minutes=1)
        row.queue_until = datetime.now(UTC) - timedelta(seconds=1)
        row.wanted_device = "elsewhere"
    with lab.conducting():
        eventually(lambda: lab.is_finished(job), "the end")
    done = lab.job(job)
    assert done.outcome is Outcome.CANCELED
    assert "queue timeout" in done.error_message
