"""A lab of random jobs, users and groups, with the rule of who sees a job said plainly."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from hypothesis import strategies as st
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from labq.artifact_files import ArtifactFiles
from labq.blobs import Logs
from labq.domain.errors import ErrorType
from labq.domain.rights import Right
from labq.domain.states import DeviceState, JobState, Outcome, RunState
from labq.domain.verdicts import Verdict
from labq.models.artifact import Artifact
from labq.models.audience import PUBLIC
from labq.models.device import Device, DeviceType
from labq.models.job import Job, JobDefinition
from labq.models.result import TestCase, TestSuite
from labq.models.retention import ArchivedJob
from labq.models.run import Run, RunLog, RunPlan
from labq.models.user import Membership
from labq.services import audience_counts, audiences, device_grants, job_labels, partitions, tags
from labq.services.device_grants import GroupRight
from labq.services.transitions import By
from labq.services.visibility import ANONYMOUS, Viewer
from tests.integration.web_site import Person, Site

USERS, GROUPS, JOBS = 3, 3, 4
MEMBER_SHARE = 0.4
FIRST_JOB, FIRST_RUN = 700_000_001, 800_000_001
NO_JOB, NO_RUN = 799_999_999, 899_999_999
ARTIFACT = "dump.bin"
CASE, SUITE, TAG = "boots", "0_smoke", "usb"
METADATA = {"branch": "main"}
_CLEAR = (
    *("test_case", "test_suite", "run_log", "job", "archived_job", "membership"),
    *("audience_submitter", "device_right", "device_type_right"),
)


class Kind(StrEnum):
    """What became of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    FAILED = "failed"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class Draft:
    """A job that is to be made: whose, for members of which groups (None: everybody), and what."""

    owner: int
    groups: frozenset[int] | None
    kind: Kind


class Place(StrEnum):
    """What groups may have the right to view."""

    TYPE = "type"
    BOARD = "board"


@dataclass(frozen=True, slots=True)
class World:
    """Members of each group by the numbers of users, the jobs, and groups with rights to view."""

    members: tuple[frozenset[int], ...]
    jobs: tuple[Draft, ...]
    rights: Mapping[Place, frozenset[int]]


def world_of(seed: int) -> World:
    """Return one of the worlds; what strategies draw first, empty sets, would hide too little."""
    draw = random.Random(seed)
    members = tuple(
        frozenset(user for user in range(USERS) if draw.random() < MEMBER_SHARE)
        for _ in range(GROUPS)
    )
    rights = {
        place: frozenset(draw.sample(range(GROUPS), draw.choice((0, 0, 1, 2)))) for place in Place
    }
    return World(members, tuple(_draft(draw) for _ in range(JOBS)), rights)


def _draft(draw: random.Random) -> Draft:
    size = draw.choice((None, 0, 1, 1, 1, 2))
    groups = None if size is None else frozenset(draw.sample(range(GROUPS), size))
    return Draft(draw.randrange(USERS), groups, draw.choice(tuple(Kind)))


WORLDS = st.integers(0, 2**32 - 1).map(world_of)


@dataclass(frozen=True, slots=True)
class HiddenJob:
    """A job that was made; every text of it has its number, which stands in nothing else."""

    id: int
    run: int
    draft: Draft


@dataclass
class HiddenLab:
    """The lab in the database of a site; `people` are users, and the last one an admin."""

    site: Site
    blobs: Path
    people: Sequence[Person]
    device: int
    groups: Sequence[int]
    jobs: tuple[HiddenJob, ...] = ()
    world: World | None = None
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(0))

    def become(self, world: World) -> None:
        """Replace all jobs and memberships; jobs were submitted an hour ago at most."""
        self.world, now = world, datetime.now(UTC) - timedelta(hours=1)
        with Session(self.site.engine) as session, session.begin():
            session.execute(update(Device).values(run_id=None, state=DeviceState.IDLE))
            for table in _CLEAR:
                session.execute(text(f"DELETE FROM {table}"))
            session.add_all(
                Membership(user_id=self.people[number].id, group_id=group)
                for group, members in zip(self.groups, world.members, strict=True)
                for number in members
            )
            partitions.ensure(session.connection(), now.date(), now.date())
            self._restrict(session, world)
            self.jobs = tuple(self._add(session, draft, now) for draft in world.jobs)
            audience_counts.recount(session)
            tags.ensure(session, [TAG])

    def sees(self, viewer: int | None, draft: Draft) -> bool:
        """Say the rule as docs do: None is a stranger, the number after the users an admin."""
        assert self.world is not None
        if viewer is not None and viewer in {USERS, draft.owner}:
            return True
        if draft.groups is None:
            return self.knows(viewer, _place_of(draft))
        if viewer is None:
            return False
        is_member = all(viewer in self.world.members[group] for group in draft.groups)
        return bool(draft.groups) and is_member

    def knows(self, viewer: int | None, place: Place) -> bool:
        """Tell whether somebody may view the board, or its type."""
        assert self.world is not None
        on_board, on_type = (self.world.rights[one] for one in (Place.BOARD, Place.TYPE))
        admitted = on_type if place is Place.TYPE or not on_board else on_board
        if viewer == USERS or not admitted:
            return True
        return any(viewer in self.world.members[group] for group in admitted)

    def visible(self, viewer: int | None, kinds: Collection[Kind]) -> set[int]:
        """Return the jobs of some kinds that somebody sees."""
        return {
            job.id for job in self.jobs if job.draft.kind in kinds and self.sees(viewer, job.draft)
        }

    def shown(self, answer: str) -> set[int]:
        """Return the jobs of which anything stands in an answer."""
        return {job.id for job in self.jobs if str(job.id) in answer}

    def headers(self, viewer: int | None) -> Mapping[str, str]:
        """Return what a viewer sends."""
        return {} if viewer is None else self.people[viewer].headers

    def viewer(self, number: int | None) -> Viewer:
        """Return the viewer as services know it."""
        if number is None:
            return ANONYMOUS
        assert self.world is not None
        pairs = zip(self.groups, self.world.members, strict=True)
        return Viewer(
            user_id=self.people[number].id,
            name=self.people[number].name,
            is_admin=number == USERS,
            groups=tuple(group for group, members in pairs if number in members),
        )

    def _restrict(self, session: Session, world: World) -> None:
        by = By("test", datetime.now(UTC))
        session.execute(update(Device).values(audience_id=PUBLIC, submitters=None))
        session.execute(update(DeviceType).values(audience_id=PUBLIC))
        for number in world.rights[Place.TYPE]:
            given = GroupRight(f"group-{number}", Right.VIEW)
            device_grants.give_on_type(session, "shell", given, by)
        for number in world.rights[Place.BOARD]:
            given = GroupRight(f"group-{number}", Right.VIEW)
            device_grants.give_on_device(session, "board-1", given, by)

    def _public(self, session: Session, draft: Draft) -> int:
        if _place_of(draft) is Place.TYPE:
            return session.get_one(DeviceType, "shell").audience_id
        return session.get_one(Device, self.device).audience_id

    def _add(self, session: Session, draft: Draft, now: datetime) -> HiddenJob:
        number = next(self._ids)
        made = HiddenJob(FIRST_JOB + number, FIRST_RUN + number, draft)
        owner = self.people[draft.owner].id
        groups = None if draft.groups is None else [self.groups[one] for one in draft.groups]
        audience = audiences.choose(session, groups, owner)
        if groups is None:
            audience = self._public(session, draft)
            audiences.note_submitter(session, owner, audience)
        common = {
            "name": f"smoke {made.id}",
            "submitter_id": owner,
            "device_type": "shell",
            "audience_id": audience,
            "submitted_at": now + timedelta(seconds=len(self.jobs)),
        }
        if draft.kind is Kind.ARCHIVED:
            session.add(ArchivedJob(job_id=made.id, removed_at=now, **common))
            return made
        job = Job(id=made.id, priority=50, tags=[TAG], **common, **_state(draft.kind, now))
        definition = JobDefinition(
            job_id=made.id, definition=f"job_name: smoke {made.id}\n", job_metadata=METADATA
        )
        for row in (job, definition):
            session.add(row)
            session.flush()
        job_labels.store(session, job, METADATA)
        if draft.kind is not Kind.WAITING:
            job.device_id, job.host, job.run_id = self.device, "rack", made.run
            self._run(session, made, now)
        return made

    def _run(self, session: Session, job: HiddenJob, now: datetime) -> None:
        is_over = job.draft.kind is Kind.FAILED
        run = Run(
            id=job.run,
            job_id=job.id,
            number=1,
            device_id=self.device,
            host="rack",
            state=RunState.ENDED if is_over else RunState.RUNNING,
            epoch=0,
            next=0,
            reserved_at=now,
            ended_at=now if is_over else None,
        )
        session.add(run)
        session.flush()
        plan = f'{{"dictionary": {{"name": "{job.id}"}}}}'
        session.add(RunPlan(run_id=job.run, digest="d", plan=plan))
        _add_results(session, job, now)
        self._add_files(session, job, now)
        if not is_over:
            device = session.get_one(Device, self.device)
            device.run_id, device.state = job.run, DeviceState.RUNNING

    def _add_files(self, session: Session, job: HiddenJob, now: datetime) -> None:
        data = str(job.id).encode()
        digest = hashlib.sha256(data).hexdigest()
        path = ArtifactFiles(self.blobs).path(job.run, digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        facts = {"bytes": len(data), "digest": digest, "stored_at": now}
        session.add(Artifact(run_id=job.run, name=ARTIFACT, **facts))
        line = f'- {{"dt": "2026-01-01T00:00:00.000000", "lvl": "target", "msg": "{job.id}"}}\n'
        log = Logs(self.blobs).writer(job.run)
        log.write(0, line.encode(), 1)
        log.close()
        session.add(RunLog(run_id=job.run, submitted_on=now.date(), bytes=len(line), lines=1))


def _place_of(draft: Draft) -> Place:
    return Place.BOARD if draft.kind in {Kind.RUNNING, Kind.FAILED} else Place.TYPE


def _state(kind: Kind, now: datetime) -> dict[str, object]:
    match kind:
        case Kind.WAITING:
            return {"state": JobState.SUBMITTED}
        case Kind.RUNNING:
            return {"state": JobState.RUNNING, "started_at": now}
        case _:
            return {
                "state": JobState.FINISHED,
                "outcome": Outcome.INCOMPLETE,
                "error_type": ErrorType.INFRASTRUCTURE,
                "started_at": now,
                "ended_at": now,
            }


def _add_results(session: Session, job: HiddenJob, now: datetime) -> None:
    day = now.date()
    facts = {"submitted_on": day, "passed": 0, "failed": 1}
    suite = TestSuite(job_id=job.id, run_id=job.run, name=SUITE, **facts)
    session.add(suite)
    session.flush()
    session.add(
        TestCase(
            suite_id=suite.id,
            submitted_on=day,
            epoch=0,
            step=0,
            channel="main",
            offset=0,
            name=CASE,
            verdict=Verdict.FAIL,
            units=str(job.id),
            logged_at=now,
        )
    )
