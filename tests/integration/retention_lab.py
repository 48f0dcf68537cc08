"""Old jobs with all kinds of data, and the hand that works at retention."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session, sessionmaker

from labq.blobs import Logs
from labq.config import Settings
from labq.domain.deadline import Deadline
from labq.domain.plan import Queue, StepKind
from labq.domain.retention import Kind
from labq.domain.states import JobState, Outcome, RunState, StepState
from labq.domain.verdicts import Verdict
from labq.models.artifact import Artifact
from labq.models.control import Audit
from labq.models.job import Job
from labq.models.partition import day_of
from labq.models.result import TestCase, TestSuite
from labq.models.retention import ArchivedPart
from labq.models.run import Run, RunLog, RunPlan, Step
from labq.services import partitions
from labq.services.archive.pack import Blobs
from labq.services.archive.store import FolderStore, Store
from labq.services.database import session_factory
from labq.services.retention import policies, worker
from labq.services.retention.pace import Pace
from labq.services.retention.policies import PolicyChange
from labq.services.retention.worker import Ground
from labq.services.transitions import By
from tests.integration.web_site import Person, Site

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
LOG = b'- {"dt": "2026-01-02T03:04:05", "lvl": "target", "msg": "Linux version 6.12"}\n' * 200
PICTURE = b"a picture of the board\n" * 50
CONSOLE = b"raw bytes of the console\n" * 50
TABLES = (
    "job",
    "job_definition",
    "run",
    "run_plan",
    "run_log",
    "step",
    "artifact",
    "test_suite",
    "test_case",
)


@dataclass
class Shop:
    """A site whose retention the test drives."""

    site: Site
    settings: Settings
    person: Person
    device: int
    now: datetime = NOW
    store: Store | None = None
    sessions: sessionmaker[Session] = field(init=False)

    def __post_init__(self) -> None:
        self.sessions = session_factory(self.engine)

    @property
    def engine(self) -> Engine:
        return self.site.engine

    @property
    def blobs(self) -> Blobs:
        return Blobs.below(self.settings.blobs)

    @property
    def archive(self) -> Path:
        return self.settings.state / "archive"

    @property
    def ground(self) -> Ground:
        store = self.store or FolderStore(self.archive)
        return Ground(self.engine, self.sessions, store, self.blobs, lambda: self.now)

    def policy(self, name: str = "all", **change: object) -> None:
        """Add a policy; `days` by kind."""
        with self.sessions.begin() as session:
            policies.add(session, name, PolicyChange(**change), By("root", self.now))  # type: ignore[arg-type]  # as the test wrote it

    def run(self, holder: str = "me", seconds: float = 60) -> bool:
        """Do one step, which ends the run unless its time is too short."""
        pace = Pace(self.sessions, Deadline.after(seconds), sleep=lambda _seconds: None)
        return worker.step(self.ground, holder, "labq", pace)

    def old_job(self, days: int, **values: object) -> int:
        """Return a job that ended so many days ago, with all kinds of data."""
        ended = self.now - timedelta(days=days)
        job = self.site.job(
            self.person,
            **{
                "state": JobState.FINISHED,
                "outcome": Outcome.COMPLETE,
                "device_id": self.device,
                "submitted_at": ended - timedelta(minutes=10),
                "started_at": ended - timedelta(minutes=9),
                "ended_at": ended,
                **values,
            },
        )
        with self.sessions.begin() as session:
            run = self._add_run(session, job, ended)
        self._write_files(run)
        return job

    def _add_run(self, session: Session, job: int, ended: datetime) -> int:
        day = (ended - timedelta(minutes=10)).date()
        partitions.ensure(session.connection(), day, day)
        run = Run(
            job_id=job,
            number=1,
            device_id=self.device,
            host="rack",
            state=RunState.ENDED,
            epoch=0,
            next=0,
            reserved_at=ended - timedelta(minutes=9),
            ended_at=ended,
        )
        session.add(run)
        session.flush()
        row = session.get_one(Job, job)
        row.run_id = run.id
        session.add_all(
            [
                RunPlan(run_id=run.id, digest="d", plan='{"dictionary": {}}'),
                RunLog(
                    run_id=run.id,
                    bytes=len(LOG),
                    lines=LOG.count(b"\n"),
                    submitted_on=day,
                    is_packed=True,
                ),
                Step(
                    run_id=run.id,
                    position=0,
                    kind=StepKind.BOOT,
                    queue=Queue.BOOT,
                    name="boot",
                    method="minimal",
                    restart_from=0,
                    state=StepState.DONE,
                ),
                _artifact(run.id, "shot.png", PICTURE, ended),
                _artifact(run.id, "console-main.raw.zst", CONSOLE, ended),
                Audit(
                    at=ended,
                    actor="labq",
                    subject="job",
                    subject_id=str(job),
                    before="running",
                    after="finished",
                ),
            ]
        )
        _add_results(session, row, run.id)
        return run.id

    def _write_files(self, run: int) -> None:
        logs = Logs(self.settings.blobs)
        writer = logs.writer(run)
        writer.write(0, LOG, 0)
        writer.close()
        logs.pack(run, len(LOG))
        logs.adopt(run)
        for content in (PICTURE, CONSOLE):
            path = self.blobs.artifacts.path(run, digest_of(content))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def counts(self) -> dict[str, int]:
        """Return how many rows the tables have that a job's data stand in."""
        with self.engine.connect() as connection:
            return {
                name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()
                for name in TABLES
            }

    def rows(self) -> dict[str, list[str]]:
        """Return all rows of these tables as text, to be compared."""
        with self.engine.connect() as connection:
            return {
                name: sorted(
                    connection.execute(text(f"SELECT row_to_json(one)::text FROM {name} AS one"))
                    .scalars()
                    .all()
                )
                for name in TABLES
            }

    def files(self) -> list[str]:
        """Return the names of all files beside the database, but not of those in the archive."""
        blobs = self.settings.blobs
        return sorted(str(path.relative_to(blobs)) for path in blobs.rglob("*") if path.is_file())

    def bundles(self) -> list[Path]:
        return sorted(self.archive.glob("*")) + sorted(self.archive.glob(".*.part"))

    def parts(self, job: int) -> dict[Kind, ArchivedPart]:
        with self.sessions() as session:
            found = session.scalars(select(ArchivedPart).where(ArchivedPart.job_id == job))
            return {part.kind: part for part in found}

    def removed(self, job: int) -> set[Kind]:
        return {kind for kind, part in self.parts(job).items() if part.removed_at}

    def change(self, statement: str) -> None:
        self.site.change(statement)

    def next_run(self, days: int = 0) -> None:
        """Let days pass, and take the next run for due."""
        self.now += timedelta(days=days)


def _add_results(session: Session, job: Job, run: int) -> None:
    day = day_of(job.submitted_at)
    suite = TestSuite(
        job_id=job.id, run_id=run, submitted_on=day, name="0_smoke", passed=1, failed=1
    )
    session.add(suite)
    session.flush()
    session.add_all(
        TestCase(
            suite_id=suite.id,
            submitted_on=day,
            epoch=0,
            step=0,
            channel="main",
            offset=offset,
            name=verdict,
            verdict=verdict,
            measurement=Decimal("1.25"),
            units="s",
            logged_at=job.submitted_at,
            details={"note": "ü"},
        )
        for offset, verdict in enumerate((Verdict.PASS, Verdict.FAIL))
    )


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _artifact(run: int, name: str, content: bytes, at: datetime) -> Artifact:
    return Artifact(
        run_id=run, name=name, bytes=len(content), digest=digest_of(content), stored_at=at
    )


def today(shop: Shop) -> date:
    return shop.now.date()


def all_kinds(days: int, kinds: Sequence[Kind] = tuple(Kind)) -> dict[Kind, int]:
    return dict.fromkeys(kinds, days)
