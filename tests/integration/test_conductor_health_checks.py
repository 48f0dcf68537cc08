"""Health checks: a device that is due is proven before anybody else gets it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from labq.conductor.scheduler import Scheduler
from labq.domain.errors import ErrorType, Failure
from labq.domain.health_checks import PAUSE, Denominator
from labq.domain.states import DeviceHealth, DeviceState, JobState, Outcome
from labq.models.device import Device, DeviceType
from labq.models.job import Job
from labq.models.run import Run
from labq.models.user import User
from labq.services import health_checks
from labq.services.transitions import Work
from tests.integration.conductor_lab import (
    BOOT,
    COLLECT,
    DEFINITION,
    Lab,
    began,
    ended,
    eventually,
    failed,
    whole_run,
)

CHECK = DEFINITION.replace("job_name: smoke", "job_name: is it well")
NO_PROMPT = Failure(type=ErrorType.JOB, message="no prompt came")
STOPPED = Failure(type=ErrorType.INFRASTRUCTURE, message="the host was stopped")


def test_an_unknown_device_is_checked_before_it_takes_a_users_job(lab: Lab) -> None:
    _set_check(lab)
    job = lab.submit()
    with lab.conducting():
        check, run = _checking(lab)
        assert (check.name, check.priority, check.wanted_device) == ("is it well", 100, "board-1")
        assert lab.job(job).state is JobState.SUBMITTED
        lab.send(*whole_run(run.id))
        mine = eventually(lambda: lab.sent_run(job), "the user's job")
        assert lab.device().health is DeviceHealth.GOOD
        assert lab.device().health_reason == f"health check passed: job {check.id}"
        lab.send(*whole_run(mine.id))
        eventually(lambda: lab.is_finished(job), "the end")
    device = lab.device()
    assert (device.health_job_id, device.jobs_since_check) == (check.id, 1)
    with Session(lab.engine) as session:
        assert session.get_one(User, check.submitter_id).name == "lava-health"
        assert len(session.scalars(select(Job.id).where(Job.is_health_check)).all()) == 1


def test_an_unknown_device_is_offered_to_nobody_before_its_check(lab: Lab) -> None:
    _set_check(lab)
    _set_health(lab, DeviceHealth.UNKNOWN, checked=timedelta(seconds=1))
    job = lab.submit()
    _pass_by(lab)
    assert _checks(lab) == 0
    assert lab.job(job).state is JobState.SUBMITTED


def test_a_failed_check_takes_the_device_out_with_the_reason(lab: Lab) -> None:
    _set_check(lab)
    with lab.conducting():
        check, run = _checking(lab)
        _fail(lab, run)
        eventually(lambda: lab.is_finished(check.id), "the end")
    device = lab.device()
    assert (device.health, device.state) == (DeviceHealth.BAD, DeviceState.IDLE)
    assert device.health_reason == f"health check failed: job {check.id}: Job: no prompt came"
    _pass_by(lab)
    assert _checks(lab) == 1


def test_a_canceled_check_makes_the_device_bad_as_in_lava(lab: Lab) -> None:
    _set_check(lab)
    with lab.conducting():
        check, run = _checking(lab)
        lab.user = replace(lab.user, is_admin=True)
        lab.cancel(check.id)
        lab.send(began(run.id, COLLECT, epoch=2), ended(run.id, COLLECT, None, epoch=2))
        eventually(lambda: lab.is_finished(check.id), "the end")
    assert lab.device().health is DeviceHealth.BAD


def test_a_check_that_failed_by_its_hosts_fault_says_nothing_of_the_board(lab: Lab) -> None:
    _set_check(lab)
    with lab.conducting():
        check, run = _checking(lab)
        fault = replace(failed(run.id, BOOT, COLLECT, STOPPED), host_fault=True)
        lab.send(began(run.id, BOOT), fault, ended(run.id, COLLECT, None))
        eventually(lambda: lab.is_finished(check.id), "the end")
    assert lab.device().health is DeviceHealth.UNKNOWN
    assert "without a verdict" in lab.device().health_reason
    _age(lab, PAUSE)
    _pass_by(lab)
    assert _checks(lab) == 2


def test_a_failure_that_is_its_hosts_leaves_a_good_board_good(lab: Lab) -> None:
    _set_health(lab, DeviceHealth.GOOD)
    with lab.conducting():
        for failure, expected in (
            (True, DeviceHealth.GOOD),
            (False, DeviceHealth.UNKNOWN),
        ):
            job = lab.submit()
            run = eventually(lambda job=job: lab.sent_run(job), "sending")
            event = replace(failed(run.id, BOOT, COLLECT, STOPPED), host_fault=failure)
            lab.send(began(run.id, BOOT), event, ended(run.id, COLLECT, None))
            eventually(lambda job=job: lab.is_finished(job), "the end")
            assert lab.device().health is expected


def test_a_suspect_failure_has_the_device_proven_again(lab: Lab) -> None:
    _set_check(lab, jobs=1000)
    _set_health(lab, DeviceHealth.GOOD, checked=timedelta(minutes=5))
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending")
        failure = Failure(type=ErrorType.INFRASTRUCTURE, message="the serial port is dead")
        lab.send(began(run.id, BOOT), failed(run.id, BOOT, COLLECT, failure))
        lab.send(ended(run.id, COLLECT, None))
        after = lab.submit()
        check, _ = _checking(lab)
    assert lab.job(after).state is JobState.SUBMITTED
    assert check.wanted_device == "board-1"


def test_a_looping_device_runs_checks_for_ever_and_nothing_else(lab: Lab) -> None:
    _set_check(lab)
    _set_health(lab, DeviceHealth.LOOPING)
    job = lab.submit()
    with lab.conducting():
        check, run = _checking(lab)
        _fail(lab, run)
        eventually(lambda: lab.is_finished(check.id), "the first check")
    assert lab.device().health is DeviceHealth.LOOPING
    _age(lab, PAUSE)
    with lab.conducting():
        second, run = _checking(lab, past=check.id)
        lab.send(*whole_run(run.id))
        eventually(lambda: lab.is_finished(second.id), "the second check")
    assert lab.device().health is DeviceHealth.LOOPING
    assert lab.job(job).state is JobState.SUBMITTED


@pytest.mark.parametrize(
    "text",
    [
        DEFINITION.replace("job_name", "name"),
        DEFINITION.replace("device_type: shell", "device_type: no"),
    ],
    ids=["wrong", "of another type"],
)
def test_an_invalid_check_takes_the_device_out(lab: Lab, text: str) -> None:
    _set_check(lab, text=text)
    _pass_by(lab)
    device = lab.device()
    assert device.health is DeviceHealth.BAD
    assert "the health check of type shell is invalid" in device.health_reason


def test_a_check_that_the_device_cannot_run_takes_it_out(lab: Lab) -> None:
    _set_check(
        lab, text=DEFINITION.replace("method: minimal", "method: u-boot\n    commands: ramdisk")
    )
    _pass_by(lab)
    assert lab.device().health is DeviceHealth.BAD
    assert "its health check cannot run" in lab.device().health_reason
    with Session(lab.engine) as session:
        check = session.scalars(select(Job).where(Job.is_health_check)).one()
    assert check.outcome is Outcome.INCOMPLETE


def test_a_device_whose_dictionary_is_wrong_is_taken_out_and_its_check_canceled(lab: Lab) -> None:
    _set_check(lab)
    with Session(lab.engine) as session, session.begin():
        session.execute(update(Device).values(template="{% extends 'no-such.jinja2' %}"))
    with lab.conducting():
        eventually(lambda: lab.device().health is DeviceHealth.BAD, "bad health")
        (check,) = _open_checks(lab)
    with Session(lab.engine) as session, session.begin():
        health_checks.cancel_stale(session, datetime.now(UTC))
    assert lab.job(check).outcome is Outcome.CANCELED
    assert lab.device().health is DeviceHealth.BAD


def test_types_without_a_check_or_with_it_disabled_use_unknown_devices_as_they_are(
    lab: Lab,
) -> None:
    _set_check(lab)
    with Session(lab.engine) as session, session.begin():
        session.execute(update(DeviceType).values(health_disabled=True))
    with lab.conducting():
        job = lab.submit()
        eventually(lambda: lab.sent_run(job), "sending")
    assert _checks(lab) == 0


def test_a_good_device_is_checked_again_after_hours_or_jobs(lab: Lab) -> None:
    _set_check(lab)
    _set_health(lab, DeviceHealth.GOOD, checked=timedelta(hours=23))
    _pass_by(lab)
    assert _checks(lab) == 0
    _set_check(lab, jobs=2)
    _set_health(lab, DeviceHealth.GOOD, checked=timedelta(hours=230), jobs=1)
    _pass_by(lab)
    assert _checks(lab) == 0
    _set_health(lab, DeviceHealth.GOOD, checked=timedelta(hours=1), jobs=2)
    _pass_by(lab)
    assert _checks(lab) == 1
    assert lab.device().jobs_since_check == 0


def _set_check(lab: Lab, *, text: str = CHECK, jobs: int | None = None) -> None:
    with Session(lab.engine) as session, session.begin():
        kind = session.get_one(DeviceType, "shell")
        kind.health_check = text
        if jobs:
            kind.health_denominator, kind.health_frequency = Denominator.JOBS, jobs


def _set_health(
    lab: Lab, health: DeviceHealth, *, checked: timedelta | None = None, jobs: int = 0
) -> None:
    with Session(lab.engine) as session, session.begin():
        device = session.scalars(select(Device)).one()
        device.health, device.jobs_since_check = health, jobs
        device.health_checked_at = datetime.now(UTC) - checked if checked else None


def _age(lab: Lab, by: timedelta) -> None:
    """Have the last check be longer ago."""
    with Session(lab.engine) as session, session.begin():
        device = session.scalars(select(Device)).one()
        assert device.health_checked_at is not None
        device.health_checked_at -= by


def _pass_by(lab: Lab) -> None:
    """Pair once, as a conductor that leads."""
    lead = lab.lead()
    Scheduler(lead, lab.client, ()).work(frozenset({Work.PAIRING}))
    lab.expire()


def _checking(lab: Lab, past: int = 0) -> tuple[Job, Run]:
    """Return the newest health check and its run, once it is sent."""

    def found() -> tuple[Job, Run] | None:
        with Session(lab.engine) as session:
            query = (
                select(Job, Run)
                .join(Run, Run.id == Job.run_id)
                .where(Job.is_health_check, Job.id > past, Run.sent.is_not(None))
            )
            row = session.execute(query).one_or_none()
            return (row[0], row[1]) if row else None

    return eventually(found, "a health check")


def _checks(lab: Lab) -> int:
    with Session(lab.engine) as session:
        return len(session.scalars(select(Job.id).where(Job.is_health_check)).all())


def _open_checks(lab: Lab) -> list[int]:
    with Session(lab.engine) as session:
        query = select(Job.id).where(Job.is_health_check, Job.state != JobState.FINISHED)
        return list(session.scalars(query))


def _fail(lab: Lab, run: Run) -> None:
    lab.send(began(run.id, BOOT), failed(run.id, BOOT, COLLECT, NO_PROMPT))
    lab.send(began(run.id, COLLECT), ended(run.id, COLLECT, None))
