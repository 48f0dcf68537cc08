"""Counts that moves of jobs keep, against the jobs counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Engine, delete, func, select, text
from sqlalchemy.orm import Session

from labq.domain.errors import ErrorType, Failure
from labq.domain.states import (
    DeviceHealth,
    DeviceState,
    HostHealth,
    HostState,
    JobState,
    Outcome,
)
from labq.models.audience import PUBLIC
from labq.models.device import Device, DeviceType
from labq.models.host import Host
from labq.models.job import Job
from labq.models.rollup import CountDelta
from labq.models.user import User
from labq.services import counts, rollups, tally, transitions
from labq.services.counts import Queue, Subject
from labq.services.database import Role, make_engine
from labq.services.transitions import By
from tests.integration.cli_runner import Cli

START = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
TYPES, HOSTS, BOARDS = ("qemu", "rk3399"), ("rack", "shelf"), 3
FAILURES = (None, ErrorType.TEST, ErrorType.INFRASTRUCTURE)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url, Role.CORE)
    with Session(engine) as session, session.begin():
        session.add(User(id=1, name="ann", created_at=START))
        session.add_all(DeviceType(name=name) for name in TYPES)
        session.add_all(
            Host(name=name, state=HostState.ONLINE, health=HostHealth.ACTIVE) for name in HOSTS
        )
        session.flush()
        for number in range(1, BOARDS + 1):
            session.add(_board(number))
    yield engine
    engine.dispose()


def _board(number: int) -> Device:
    return Device(
        id=number,
        name=f"board-{number}",
        device_type=TYPES[0],
        host=HOSTS[0],
        template="",
        state=DeviceState.IDLE,
        health=DeviceHealth.GOOD,
    )


class Story:
    """Jobs that are moved at random, each move in a transaction, some of them rolled back."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self._engine, self._random, self._now = engine, Random(seed), START

    def step(self) -> None:
        """Make one move; of some the transaction is rolled back."""
        self._now += timedelta(seconds=self._random.uniform(0, 900))
        with Session(self._engine) as session:
            self._act(session)
            if self._random.random() < 0.1:
                session.rollback()
            session.commit()

    def _act(self, session: Session) -> None:
        job = self._any_job(session)
        act = self._random.random()
        if job is None or act < 0.35:
            self.submit(session)
        elif job.state is not JobState.FINISHED:
            self._move(session, job)
        elif act > 0.8:
            rollups.jobs_deleted(session, [job.id])
            session.execute(delete(Job).where(Job.id == job.id))

    def _any_job(self, session: Session) -> Job | None:
        ids = list(session.scalars(select(Job.id).order_by(Job.id)))
        return session.get_one(Job, self._random.choice(ids)) if ids else None

    def submit(self, session: Session) -> None:
        job = Job(
            name="x",
            submitter_id=1,
            device_type=self._random.choice(TYPES),
            priority=50,
            audience_id=PUBLIC,
            state=JobState.SUBMITTED,
            submitted_at=self._now,
        )
        session.add(job)
        session.flush()
        tally.job_submitted(session, job)

    def _move(self, session: Session, job: Job) -> None:
        to = self._random.choice(sorted(transitions.JOB_MOVES[job.state]))
        by = By("test", self._now)
        if to is JobState.SCHEDULED:
            job.device_id, job.host = self._random.randint(1, BOARDS), self._random.choice(HOSTS)
        if to is not JobState.FINISHED:
            transitions.move_job(session, job, to, by)
            return
        error = self._random.choice(FAILURES)
        outcome = self._random.choice(list(Outcome))
        failure = Failure(type=error, message="") if error else None
        transitions.finish_job(session, job, outcome, failure, by=by)

    def fold(self) -> None:
        with Session(self._engine) as session, session.begin():
            rollups.fold(session)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_counts_are_those_of_the_jobs_after_random_moves(engine: Engine, seed: int) -> None:
    story = Story(engine, seed)
    for number in range(1, 181):
        story.step()
        if number % 25 == 0:
            story.fold()
        if number % 60 == 0:
            with Session(engine) as session:
                assert rollups.check(session) == []
    before = _all_that_is_read(engine)
    assert before[0] == _queues_counted(engine)
    with Session(engine) as session, session.begin():
        rollups.recount(session)
    assert _all_that_is_read(engine) == before
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(CountDelta)) == 0


def _all_that_is_read(engine: Engine) -> tuple[object, ...]:
    first, last = START.date(), START.date() + timedelta(days=30)
    with Session(engine) as session:
        return (
            counts.find_queues(session),
            [counts.find_finished(session, Subject.HOST, name) for name in HOSTS],
            [counts.find_finished(session, Subject.DEVICE_TYPE, name) for name in TYPES],
            [counts.find_finished(session, Subject.DEVICE, f"board-{n}") for n in (1, 2, 3)],
            counts.find_days(session, first, last),
            counts.find_days(session, first, first, device_type=TYPES[0], host=HOSTS[1]),
        )


def _queues_counted(engine: Engine) -> dict[str, Queue]:
    with Session(engine) as session:
        rows = session.execute(
            select(Job.device_type, Job.state).where(Job.state != JobState.FINISHED)
        )
        found = Counter((kind, state is JobState.SUBMITTED) for kind, state in rows)
    types = {kind for kind, _ in found}
    return {kind: Queue(waiting=found[kind, True], active=found[kind, False]) for kind in types}


def _one_of_each(engine: Engine) -> None:
    """Leave one job that waits, one that ended, one that ended and is deleted."""
    story = Story(engine, seed=0)
    with Session(engine) as session, session.begin():
        for _ in range(3):
            story.submit(session)
        for job in session.scalars(select(Job).order_by(Job.id).limit(2)):
            job.device_id, job.host = 1, "rack"
            transitions.finish_job(session, job, Outcome.COMPLETE, None, by=By("test", START))
    with Session(engine) as session, session.begin():
        gone = session.scalars(select(func.min(Job.id))).one()
        rollups.jobs_deleted(session, [gone])
        session.execute(delete(Job).where(Job.id == gone))


def test_deleted_jobs_stay_in_the_counts_of_what_ended(engine: Engine) -> None:
    _one_of_each(engine)
    with Session(engine) as session:
        before = counts.find_finished(session, Subject.DEVICE, "board-1")
    with Session(engine) as session, session.begin():
        rollups.recount(session)
    with Session(engine) as session:
        after = counts.find_finished(session, Subject.DEVICE, "board-1")
    assert before.jobs == 2
    assert before.last_ended_at == START
    assert after == before


def test_a_wrong_count_is_named_and_a_recount_mends_it(engine: Engine) -> None:
    _one_of_each(engine)
    with Session(engine) as session, session.begin():
        rollups.recount(session)
        session.execute(text("UPDATE queue_length SET waiting = waiting + 7"))
        session.execute(text("DELETE FROM day_count"))
    with Session(engine) as session:
        lengths, *days = rollups.check(session)
    assert (lengths.table, lengths.excess) == ("queue_length", {"waiting": 7})
    assert [day.table for day in days] == ["day_count"]
    assert days[0].excess["jobs"] == -1
    with Session(engine) as session, session.begin():
        rollups.recount(session)
    with Session(engine) as session:
        assert rollups.check(session) == []


def test_submissions_do_not_wait_for_each_other(engine: Engine) -> None:
    story = Story(engine, seed=0)
    with Session(engine) as slow, Session(engine) as quick:
        slow.execute(text("SET LOCAL lock_timeout = '1s'"))
        quick.execute(text("SET LOCAL lock_timeout = '1s'"))
        for session in (slow, quick):
            story.submit(session)
            story.submit(session)
            tally.write(session)
        quick.commit()
        slow.commit()
        assert sum(queue.waiting for queue in counts.find_queues(slow).values()) == 4


def test_nothing_is_folded_while_somebody_recounts(engine: Engine) -> None:
    story = Story(engine, seed=0)
    with Session(engine) as session, session.begin():
        story.submit(session)
    with Session(engine) as counting, Session(engine) as folding, folding.begin():
        rollups.recount(counting)
        assert rollups.fold(folding).rows == 0
        counting.commit()
    with Session(engine) as session:
        assert rollups.check(session) == []


def test_the_command_names_wrong_counts_and_mends_them(engine: Engine, tmp_path: Path) -> None:
    _one_of_each(engine)
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    cli = Cli("http://127.0.0.1:9", tmp_path)
    assert cli("db", "recount", "--check", LABQ_DATABASE_URL=url).returncode == 0
    with engine.begin() as connection:
        connection.execute(text("UPDATE count_delta SET waiting = 3 WHERE waiting = 1"))
    wrong = cli("db", "recount", "--check", LABQ_DATABASE_URL=url)
    assert (wrong.returncode, "queue_length of qemu: waiting +" in wrong.stderr + wrong.stdout) == (
        1,
        True,
    )
    assert cli("db", "recount", "--json", LABQ_DATABASE_URL=url).returncode == 0
    assert cli("db", "recount", "--check", LABQ_DATABASE_URL=url).returncode == 0
