"""A host that stays silent: its runs end without it, its devices stay held until it is back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError, ErrorType, NotFoundError
from labq.domain.events import HoldState, RunReport
from labq.domain.states import DeviceHealth, DeviceState, HostState, JobState, Outcome, RunState
from labq.models.control import Audit
from labq.models.device import Reservation
from labq.models.host import Host
from labq.models.result import TestCase
from labq.models.run import Run
from labq.services import enrolments, losses
from labq.services.transitions import SYSTEM, By
from tests.integration.conductor_lab import (
    BOOT,
    COLLECT,
    HOST,
    TEST,
    Lab,
    began,
    ended,
    eventually,
    idle,
    result,
    whole_run,
)

LISTENING = 10_000.0
HALF_AN_HOUR = timedelta(minutes=30)


def test_runs_of_a_silent_host_end_and_their_device_waits_for_it(lab: Lab) -> None:
    with lab.conducting():
        job, run = _running(lab)
        _silence(lab, timedelta(minutes=31))
        assert _give_up(lab) == 1
        done = lab.job(job)
        assert (done.state, done.outcome) == (JobState.FINISHED, Outcome.INCOMPLETE)
        assert done.error_type is ErrorType.INFRASTRUCTURE
        assert done.error_message == "host rack has been silent for 30 min"
        assert lab.device().state is DeviceState.RUNNING
        assert _held(lab) == ["board-1"]
        order = eventually(lambda: lab.order_after(run), "the order to tear down")
        assert (order.epoch, order.next) == (2, COLLECT)
        lab.report(RunReport(run=run.id, epoch=2, next=COLLECT, state=HoldState.HELD))
        lab.send(began(run.id, COLLECT, epoch=2), ended(run.id, COLLECT, None, epoch=2))
        eventually(lambda: lab.device().state is DeviceState.IDLE, "the device")
    assert lab.device().health is DeviceHealth.UNKNOWN
    assert _held(lab) == []
    assert lab.run_by_id(run.id).torn_down_at is not None
    assert lab.job(job).outcome is Outcome.INCOMPLETE


def test_what_the_host_tells_late_frees_the_device_and_changes_no_outcome(lab: Lab) -> None:
    with lab.conducting():
        job, run = _running(lab)
        _silence(lab, timedelta(hours=1))
        _give_up(lab)
        late = [result(run.id, TEST, "late"), *whole_run(run.id)[1:]]
        lab.send(*late)
        eventually(lambda: lab.device().state is DeviceState.IDLE, "the device")
    done = lab.job(job)
    assert (done.outcome, done.error_type) == (Outcome.INCOMPLETE, ErrorType.INFRASTRUCTURE)
    with Session(lab.engine) as session:
        assert session.scalars(select(TestCase.name)).all() == ["job"]


def test_runs_of_a_host_that_is_cut_off_end_at_once_and_their_device_stays_held(lab: Lab) -> None:
    with lab.conducting():
        job, _ = _running(lab)
        with Session(lab.engine) as session, session.begin():
            enrolments.invite(
                session, lab.client, HOST, now=datetime.now(UTC), ttl=timedelta(hours=1)
            )
        with Session(lab.engine) as session, session.begin():
            by = By("ann", datetime.now(UTC), "cut off")
            enrolments.revoke(session, lab.client, HOST, by)
    done = lab.job(job)
    assert (done.state, done.outcome) == (JobState.FINISHED, Outcome.INCOMPLETE)
    assert done.error_message == "host rack was cut off"
    assert lab.device().state is DeviceState.RUNNING
    assert _held(lab) == ["board-1"]


def test_a_device_that_the_late_host_finds_at_fault_is_taken_out(lab: Lab) -> None:
    with lab.conducting():
        _, run = _running(lab)
        _silence(lab, timedelta(hours=1))
        _give_up(lab)
        end = replace(ended(run.id, COLLECT, None), device_fault="it does not go off")
        lab.send(end)
        eventually(lambda: lab.device().state is DeviceState.IDLE, "the device")
    assert lab.device().health is DeviceHealth.BAD
    assert "it does not go off" in lab.device().health_reason


def test_a_host_that_read_the_order_and_does_not_know_the_run_frees_the_device(lab: Lab) -> None:
    with lab.conducting():
        _, run = _running(lab)
        _silence(lab, timedelta(hours=1))
        _give_up(lab)
        _sent_again(lab, run)
        eventually(lab.messages, "the message of collect")
        lab.take_messages()

        def free() -> bool:
            lab.report()
            return lab.device().state is DeviceState.IDLE

        eventually(free, "the device")
    assert lab.run_by_id(run.id).epoch == 2


def test_a_lost_message_to_tear_down_is_sent_again(lab: Lab) -> None:
    with lab.conducting():
        _, run = _running(lab)
        _silence(lab, timedelta(hours=1))
        _give_up(lab)
        first = _sent_again(lab, run)
        lab.take_messages()

        def again() -> bool:
            lab.report(idle(run.id, COLLECT, epoch=2))
            return bool(lab.order_after(first))

        eventually(again, "the second sending")
        eventually(lambda: lab.messages() == {f"{run.id}-2-{COLLECT}"}, "the message of collect")
    assert lab.device().state is DeviceState.RUNNING


def test_a_canceled_run_of_a_silent_host_ends_as_canceled(lab: Lab) -> None:
    with lab.conducting():
        job, _ = _running(lab)
        _silence(lab, timedelta(minutes=1))
        lab.cancel(job)
        assert lab.job(job).state is JobState.CANCELING
        _silence(lab, timedelta(hours=1))
        _give_up(lab)
    assert lab.job(job).outcome is Outcome.CANCELED
    assert lab.device().state is DeviceState.RUNNING


def test_a_run_that_never_began_is_torn_down_too(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending")
        _silence(lab, timedelta(hours=1))
        _give_up(lab)
        order = eventually(lambda: lab.order_after(run), "the order")
        assert (order.next, order.plan is None) == (COLLECT, False)
        lab.send(began(run.id, COLLECT, epoch=2), ended(run.id, COLLECT, None, epoch=2))
        eventually(lambda: lab.device().state is DeviceState.IDLE, "the device")


def test_silence_counts_only_past_the_hosts_own_limit_and_while_the_server_listens(
    lab: Lab,
) -> None:
    with lab.conducting():
        job, _ = _running(lab)
    _silence(lab, timedelta(minutes=29))
    assert _give_up(lab) == 0
    _silence(lab, timedelta(minutes=31), own_limit=3600)
    assert _give_up(lab) == 0
    _silence(lab, timedelta(minutes=61), own_limit=3600)
    assert _give_up(lab, listening=60) == 0
    assert _give_up(lab) == 1
    assert lab.job(job).error_message == "host rack has been silent for 1 h"


def test_the_conductor_gives_up_silent_hosts_by_itself(lab: Lab) -> None:
    with lab.conducting():
        job, _ = _running(lab)
    _silence(lab, timedelta(seconds=1), own_limit=0)
    with lab.conducting():
        eventually(lambda: lab.is_finished(job), "the end")
    with Session(lab.engine) as session:
        reasons = session.scalars(
            select(Audit.reason).where(Audit.subject == "run", Audit.after == RunState.ENDED)
        ).all()
    assert reasons == ["host rack has been silent for 0 ms"]


def test_an_admin_releases_a_held_device_by_force_alone(lab: Lab) -> None:
    with lab.conducting():
        job, run = _running(lab)
        with pytest.raises(ConflictError, match=f"cancel job {job}"):
            _release(lab, force=True)
        _silence(lab, timedelta(hours=1))
        _give_up(lab)
        with pytest.raises(ConflictError, match="waits for host rack"):
            _release(lab, force=False)
        _release(lab, force=True)
        assert lab.device().state is DeviceState.IDLE
        assert lab.device().health is DeviceHealth.UNKNOWN
        assert _held(lab) == []
        lab.send(ended(run.id, TEST, COLLECT), ended(run.id, COLLECT, None))
        eventually(lambda: lab.host().sequence == lab.sequence, "the late events")
    with pytest.raises(ConflictError, match="nothing holds it"):
        _release(lab, force=True)
    with pytest.raises(NotFoundError):
        _release(lab, force=True, name="board-9")


def test_a_release_by_force_ends_the_run_of_a_host_that_is_silent_for_a_short_time(
    lab: Lab,
) -> None:
    with lab.conducting():
        job, _ = _running(lab)
        _silence(lab, timedelta(minutes=1))
        _release(lab, force=True)
    assert lab.job(job).error_message == "host rack was given up"
    assert lab.device().state is DeviceState.IDLE


def _running(lab: Lab) -> tuple[int, Run]:
    """Return a job whose test runs, and its run."""
    job = lab.submit()
    run = eventually(lambda: lab.sent_run(job), "sending")
    lab.take_messages()
    lab.send(began(run.id, BOOT), ended(run.id, BOOT, TEST), began(run.id, TEST))
    eventually(lambda: lab.job(job).state is JobState.RUNNING, "running")
    eventually(lambda: lab.host().sequence == lab.sequence, "the events")
    return job, run


def _silence(lab: Lab, since: timedelta, own_limit: int | None = None) -> None:
    with Session(lab.engine) as session, session.begin():
        host = session.get_one(Host, HOST)
        host.state = HostState.OFFLINE
        host.reported_at = datetime.now(UTC) - since
        host.lost_after_seconds = own_limit


def _give_up(lab: Lab, listening: float = LISTENING) -> int:
    with Session(lab.engine) as session, session.begin():
        return losses.give_up_silent(
            session,
            By(SYSTEM, datetime.now(UTC)),
            lost_after=HALF_AN_HOUR,
            listening_seconds=listening,
        )


def _release(lab: Lab, *, force: bool, name: str = "board-1") -> None:
    with Session(lab.engine) as session, session.begin():
        by = By("ann", datetime.now(UTC), "released by force")
        losses.release(session, name, by, force=force)


def _sent_again(lab: Lab, run: Run) -> Run:
    """Return the run once the order to tear it down is sent."""
    eventually(lambda: lab.order_after(run), "the order to tear down")

    def sent() -> Run | None:
        found = lab.run_by_id(run.id)
        return found if found.sent and found.sent != run.sent else None

    return eventually(sent, "the noted sending")


def _held(lab: Lab) -> list[str]:
    with Session(lab.engine) as session:
        query = select(Reservation.resource).where(Reservation.released_at.is_(None))
        return list(session.scalars(query))
