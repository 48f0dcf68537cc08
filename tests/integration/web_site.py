"""A web application on a fresh database, and the rows that its tests start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from labq.domain.plan import Queue, StepKind
from labq.domain.states import (
    DeviceHealth,
    DeviceState,
    HostHealth,
    HostState,
    JobState,
    Outcome,
    RunState,
    StepState,
)
from labq.domain.verdicts import Verdict
from labq.models.device import Device, DeviceType
from labq.models.host import Host
from labq.models.job import Job, JobDefinition
from labq.models.result import TestCase, TestSuite
from labq.models.run import Run, RunLog, RunPlan, Step
from labq.models.user import Group, Membership
from labq.services import audiences, job_labels, partitions, tally, tokens, users
from labq.services.users import NewUser

YESTERDAY = datetime.now(UTC) - timedelta(days=1)
START = YESTERDAY.replace(hour=9, minute=0, second=0, microsecond=0)
"""When jobs were submitted: lists show a window of time before now."""
PASSWORD = "correct horse"
DEFINITION = "job_name: smoke\n"


@dataclass
class Person:
    """A user with a token."""

    id: int
    name: str
    token: str
    headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.headers = {"Authorization": f"Bearer {self.token}"}


@dataclass
class Site:
    """The application, its client and its engine."""

    app: Flask
    engine: Engine

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def get(self, path: str, person: Person | None = None, **options: Any) -> Any:
        headers = {**(person.headers if person else {}), **options.pop("headers", {})}
        return self.client.get(f"/api/v1{path}", headers=headers, **options)

    def send(self, method: str, path: str, person: Person | None = None, **options: Any) -> Any:
        headers = {**(person.headers if person else {}), **options.pop("headers", {})}
        return self.client.open(f"/api/v1{path}", method=method, headers=headers, **options)

    def person(self, name: str, *, is_admin: bool = False, password: str | None = None) -> Person:
        with Session(self.engine) as session, session.begin():
            user = users.create(
                session, NewUser(name=name, is_admin=is_admin, password=password), now=START
            )
            token = tokens.create(session, user.id, "test", now=START)
        return Person(user.id, name, token.secret)

    def group(self, name: str, *members: Person) -> int:
        with Session(self.engine) as session, session.begin():
            group = Group(name=name)
            session.add(group)
            session.flush()
            session.add_all(Membership(user_id=member.id, group_id=group.id) for member in members)
            return group.id

    def add(self, *rows: object) -> None:
        with Session(self.engine) as session, session.begin():
            for row in rows:
                session.add(row)
                session.flush()

    def change(self, statement: str) -> None:
        """Run one statement on the database."""
        with self.engine.begin() as connection:
            connection.execute(text(statement))

    def device(self, name: str = "board-1", device_type: str = "shell") -> int:
        with Session(self.engine) as session, session.begin():
            session.merge(DeviceType(name=device_type))
            session.merge(Host(name="rack", state=HostState.ONLINE, health=HostHealth.ACTIVE))
            session.flush()
            device = Device(
                name=name,
                device_type=device_type,
                host="rack",
                template="{% extends 'shell.jinja2' %}",
                state=DeviceState.IDLE,
                health=DeviceHealth.GOOD,
            )
            session.add(device)
            session.flush()
            return device.id

    def job(self, submitter: Person, **values: Any) -> int:
        """Return a new waiting job with a definition."""
        return self.job_row(submitter.id, **values)

    def job_row(
        self, submitter_id: int, *, viewing_groups: Sequence[int] | None = None, **values: Any
    ) -> int:
        defaults: dict[str, Any] = {
            "name": "smoke",
            "submitter_id": submitter_id,
            "device_type": "shell",
            "priority": 50,
            "state": JobState.SUBMITTED,
            "submitted_at": START,
        }
        with Session(self.engine) as session, session.begin():
            audience = audiences.choose(session, viewing_groups, submitter_id)
            job = Job(audience_id=audience, **{**defaults, **values})
            session.add(job)
            session.flush()
            session.add(JobDefinition(job_id=job.id, definition=DEFINITION))
            job_labels.store(session, job, {})
            if job.state is JobState.SUBMITTED:
                tally.job_submitted(session, job)
            return job.id

    def hide(self, job_id: int, *groups: int) -> None:
        """Let members of all these groups alone see a job; without a group, its submitter alone."""
        with Session(self.engine) as session, session.begin():
            job = session.get_one(Job, job_id)
            job.audience_id = audiences.choose(session, groups, job.submitter_id)

    def log(self, run: int, stored_bytes: int, stored_lines: int) -> None:
        """Note how much of a run's log is stored."""
        day = START.date()
        with Session(self.engine) as session, session.begin():
            partitions.ensure(session.connection(), day, day)
            row = RunLog(run_id=run, submitted_on=day, bytes=stored_bytes, lines=stored_lines)
            session.merge(row)

    def finished_job(
        self, submitter: Person, device_id: int, plan: str = '{"dictionary": {}}'
    ) -> tuple[int, int]:
        """Return job and run with a step, a suite of two cases and a plan."""
        job_id = self.job(
            submitter,
            state=JobState.FINISHED,
            outcome=Outcome.COMPLETE,
            device_id=device_id,
            host="rack",
            started_at=START + timedelta(seconds=2),
            ended_at=START + timedelta(seconds=12),
        )
        with Session(self.engine) as session, session.begin():
            run = Run(
                job_id=job_id,
                number=1,
                device_id=device_id,
                host="rack",
                state=RunState.ENDED,
                epoch=0,
                next=0,
                reserved_at=START + timedelta(seconds=1),
                ended_at=START + timedelta(seconds=12),
            )
            session.add(run)
            session.flush()
            session.get_one(Job, job_id).run_id = run.id
            session.add(RunPlan(run_id=run.id, digest="d", plan=plan))
            session.add(_step(run.id))
            _add_suite(session, job_id, run.id)
            return job_id, run.id


def _step(run_id: int) -> Step:
    return Step(
        run_id=run_id,
        position=0,
        kind=StepKind.BOOT,
        queue=Queue.BOOT,
        name="boot",
        method="minimal",
        restart_from=0,
        state=StepState.DONE,
        waited_ms=250,
        began_at=START + timedelta(seconds=2),
        ended_at=START + timedelta(seconds=5),
    )


def _add_suite(session: Session, job_id: int, run_id: int) -> None:
    day = START.date()
    partitions.ensure(session.connection(), day, day)
    suite = TestSuite(
        job_id=job_id, run_id=run_id, submitted_on=day, name="0_smoke", passed=1, failed=1
    )
    session.add(suite)
    session.flush()
    for offset, (name, verdict) in enumerate((("first", Verdict.PASS), ("second", Verdict.FAIL))):
        session.add(
            TestCase(
                suite_id=suite.id,
                submitted_on=day,
                epoch=0,
                step=0,
                channel="main",
                offset=offset,
                name=name,
                verdict=verdict,
                logged_at=START,
            )
        )
