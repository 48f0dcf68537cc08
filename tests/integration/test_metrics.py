"""What of jobs and steps is sent as figures, and when."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session, sessionmaker

from labq import statsd
from labq.config import Settings
from labq.domain.errors import ErrorType
from labq.domain.states import JobState, Outcome, RunState, StepState
from labq.metrics import flow
from labq.models.host import Host
from labq.models.job import Job
from labq.models.run import Run, Step
from labq.services.database import session_factory
from tests.integration.web_site import START, Person, Site


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    """Return the socket on which figures arrive."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(5)
        statsd.setup(Settings(statsd_host="127.0.0.1", statsd_port=listening.getsockname()[1]))
        yield listening
        statsd.setup(Settings())


@pytest.fixture
def sessions(site: Site) -> sessionmaker[Session]:
    """Return a factory that is watched."""
    made = session_factory(site.engine)
    flow.watch(made)
    return made


def _received(receiver: socket.socket, count: int) -> set[str]:
    found = {receiver.recv(1000).decode() for _ in range(count)}
    receiver.setblocking(False)
    with pytest.raises(BlockingIOError):
        receiver.recv(1000)
    return found


def test_a_reservation_tells_how_long_its_job_waited(
    receiver: socket.socket, sessions: sessionmaker[Session], site: Site, ann: Person
) -> None:
    device, key = site.device(), site.job(ann, device_type="odd type.v1")
    with sessions.begin() as session:
        job = session.get_one(Job, key)
        job.state = JobState.SCHEDULED
        session.add(
            Run(
                job_id=job.id,
                number=1,
                device_id=device,
                host="rack",
                state=RunState.RESERVED,
                epoch=1,
                next=0,
                reserved_at=START + timedelta(seconds=2),
            )
        )
    assert _received(receiver, 1) == {"labq.queue_wait.odd_type_v1:2000.000000|ms"}


def test_a_step_tells_its_slot_wait_when_it_begins_and_its_duration_when_it_ends(
    receiver: socket.socket, sessions: sessionmaker[Session], site: Site, ann: Person
) -> None:
    _, run = site.finished_job(ann, site.device())
    with sessions.begin() as session:
        step = session.get_one(Step, (run, 0))
        step.state, step.waited_ms, step.ended_at = StepState.RUNNING, 40, None
    with sessions.begin() as session:
        step = session.get_one(Step, (run, 0))
        step.state, step.ended_at = StepState.FAILED, START + timedelta(seconds=5)
    assert _received(receiver, 2) == {
        "labq.slot_wait.boot:40.000000|ms",
        "labq.step.boot.failed:3000.000000|ms",
    }


def test_an_ended_job_counts_by_outcome_and_error(
    receiver: socket.socket, sessions: sessionmaker[Session], site: Site, ann: Person
) -> None:
    key = site.job(ann, state=JobState.RUNNING, started_at=START)
    with sessions.begin() as session:
        job = session.get_one(Job, key)
        job.state, job.outcome = JobState.FINISHED, Outcome.INCOMPLETE
        job.error_type, job.ended_at = ErrorType.JOB, START + timedelta(seconds=1)
    assert _received(receiver, 3) == {
        "labq.jobs.incomplete:1|c",
        "labq.errors.Job:1|c",
        "labq.job:1000.000000|ms",
    }


def test_what_is_rolled_back_is_never_sent(
    receiver: socket.socket, sessions: sessionmaker[Session], site: Site, ann: Person
) -> None:
    _, run = site.finished_job(ann, site.device())
    with sessions() as session:
        session.get_one(Step, (run, 0)).state = StepState.RUNNING
        session.flush()
        session.rollback()
        session.get_one(Step, (run, 0)).begins = 2
        session.commit()
    statsd.incr("end")
    assert _received(receiver, 1) == {"labq.end:1|c"}


def test_a_host_tells_its_slots_and_load_when_they_are_noted(
    receiver: socket.socket, sessions: sessionmaker[Session], site: Site
) -> None:
    site.device()
    with sessions.begin() as session:
        host = session.get_one(Host, "rack")
        host.slots = {"boot": {"limit": 3, "used": 2, "waiting": 1, "utilisation": 0.5}}
        host.load = {"cpu": 0.25, "io": None, "runnable": 1.5, "is_overloaded": True}
    assert _received(receiver, 7) == {
        "labq.host.rack.boot.limit:3|g",
        "labq.host.rack.boot.used:2|g",
        "labq.host.rack.boot.waiting:1|g",
        "labq.host.rack.boot.utilisation:0.5|g",
        "labq.host.rack.load.cpu:0.25|g",
        "labq.host.rack.load.runnable:1.5|g",
        "labq.host.rack.overloaded:1|g",
    }
