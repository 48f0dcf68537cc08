"""A server's data to back up, and what there is to compare it with afterwards."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from psycopg2 import sql
from sqlalchemy.orm import Session

from labq.artifact_files import ArtifactFiles, Piece
from labq.blobs import Logs
from labq.domain.plan import Queue, StepKind
from labq.domain.states import DeliveryState, DeviceState, JobState, RunState, StepState
from labq.models.artifact import Artifact
from labq.models.delivery import Delivery
from labq.models.device import Device, Reservation
from labq.models.enrolment import Enrolment
from labq.models.job import Job, JobDefinition
from labq.models.rights import RemoteToken
from labq.models.run import Run, RunPlan, Step
from labq.services import logins
from labq.services.backup import catalog, dump, restore
from labq.services.backup.catalog import Rule
from labq.services.backup.dump import DumpOptions
from labq.services.backup.links import linked
from labq.services.backup.manifest import Manifest
from labq.services.backup.restore import Restored, RestoreOptions
from tests.integration.web_site import PASSWORD, START, Person, Site

LOG = b"".join(
    b'- {"dt": "", "lvl": "target", "msg": "line %d"}\n' % number for number in range(400)
)
CONSOLE = b"raw console with s3cret-console\n"
SECRETS = (
    "s3cret-console",
    "s3cret-token",
    "s3cret-header",
    "s3cret-definition",
    "s3cret-plan",
    "s3cret-pdu",
    "s3cret-redis",
    "ann@s3cret.example",
    "$argon2id$",
)
DEFINITION = """\
job_name: smoke
device_type: shell  # a remark
secrets: {KEY: s3cret-definition}
notify:
  criteria: {status: finished}
  callback:
    url: http://ci.example/s3cret-token
    token: s3cret-token
actions:
- deploy:
    images: {kernel: {url: "http://me:s3cret-definition@files.example/k", headers: {X: s3cret-header}}}
"""
# Rows of these say how the server runs and not what it has.
PASSING = ("leader", "upgrade", "relation_size", "backfill")


@dataclass
class Silent:
    """Keeps the phases of a dump or a restore."""

    phases: list[str] = field(default_factory=list)

    def phase(self, text: str) -> None:
        self.phases.append(text)

    def progress(self, done: int, total: int) -> None:
        assert done <= total


def make_dump(url: str, target: Path | str, folder: Path | None, **options: object) -> Manifest:
    """Write a bundle."""
    return dump.write(url, str(target), DumpOptions(jobs=2, folder=folder, **options), Silent())  # type: ignore[arg-type]  # the caller's business


def bring_back(url: str, source: Path, folder: Path | None = None, **options: bool) -> Restored:
    """Restore a bundle or a dump."""
    wanted = RestoreOptions(jobs=2, folder=folder, **options)
    return restore.restore(url, source, wanted, Silent(), now=datetime.now(UTC))


def content(url: str) -> dict[str, list[bytes]]:
    """Return the rows of all tables of a database, in the text form of COPY, sorted."""
    found: dict[str, list[bytes]] = {}
    with linked(url, "test") as link, link.cursor() as cursor:
        for extent in catalog.find_tables(link):
            name, columns = extent.shape.name, extent.shape.columns
            rows = io.BytesIO()
            query = sql.SQL("COPY {} ({}) TO STDOUT").format(
                sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, sorted(columns)))
            )
            cursor.copy_expert(query.as_string(link), rows)
            if rows.getvalue() and name not in PASSING:
                found[name] = sorted(rows.getvalue().splitlines())
    return found


def rules(url: str) -> list[Rule]:
    """Return the indexes and constraints of a database."""
    with linked(url, "test") as link:
        return catalog.find_rules(link)


def sequences(url: str) -> dict[str, int]:
    """Return where the sequences of a database stand."""
    with linked(url, "test") as link:
        return {one.name: one.last for one in catalog.find_sequences(link)}


def ask(url: str, query: str) -> object:
    """Return the first value that a query finds."""
    with linked(url, "test") as link, link.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
        return row[0] if row else None


def tables(url: str) -> int:
    """Return how many tables a database has."""
    with linked(url, "test") as link:
        return len(catalog.find_things(link))


@dataclass(frozen=True)
class Filled:
    """What a filled server has: a job that is over, one that runs, one that waits."""

    ann: Person
    finished: int
    running: int
    waiting: int
    run: int
    open_run: int


def fill(site: Site, folder: Path) -> Filled:
    """Give a server one of everything that a backup must keep and a copy must not show."""
    ann = site.person("ann", password=PASSWORD)
    with Session(site.engine) as session, session.begin():
        logins.create(session, "ann", PASSWORD, now=datetime.now(UTC))
    board, other = site.device(), site.device("board-2")
    site.change(
        "UPDATE device SET template = template || '{% set power = \"snmp -c s3cret-pdu\" %}';"
        "UPDATE \"user\" SET email = 'ann@s3cret.example'"
    )
    finished, run = site.finished_job(ann, board, '{"masks": ["s3cret-plan"], "dictionary": {}}')
    waiting = site.job(ann)
    running, open_run = _running_job(site, ann, other)
    digest = _artifact(folder, run)
    site.add(
        Artifact(run_id=run, name="console", bytes=len(CONSOLE), digest=digest, stored_at=START),
        RemoteToken(user_id=ann.id, name="files", sealed=b"s3cret-token", created_at=START),
        Enrolment(host="rack", redis_hash="s3cret-redis", created_at=START, joined_at=START),
        Delivery(
            job_id=finished,
            kind="callback",
            target={"url": "http://ci.example", "token": "s3cret-token"},
            state=DeliveryState.PENDING,
            due_at=START,
        ),
    )
    for job in (finished, waiting, running):
        _define(site, job)
    packed, plain = Logs(folder), Logs(folder)
    _write_log(packed, run, LOG)
    packed.pack(run, len(LOG))
    packed.adopt(run)
    _write_log(plain, open_run, LOG + b"not yet stored")
    site.log(run, len(LOG), LOG.count(b"\n"))
    site.log(open_run, len(LOG), LOG.count(b"\n"))
    site.change(f"UPDATE run_log SET is_packed = true WHERE run_id = {run}")
    return Filled(ann, finished, running, waiting, run, open_run)


def _define(site: Site, job: int) -> None:
    with Session(site.engine) as session, session.begin():
        row = session.get_one(JobDefinition, job)
        row.definition = DEFINITION
        row.notify = {"callback": {"url": "http://ci.example", "token": "s3cret-token"}}


def _running_job(site: Site, ann: Person, device: int) -> tuple[int, int]:
    job = site.job(ann, state=JobState.RUNNING, device_id=device, started_at=START)
    with Session(site.engine) as session, session.begin():
        run = Run(
            job_id=job,
            number=1,
            device_id=device,
            host="rack",
            state=RunState.RUNNING,
            epoch=1,
            next=0,
            sent="1-0",
            reserved_at=START,
            began_at=START + timedelta(seconds=1),
        )
        session.add(run)
        session.flush()
        session.get_one(Job, job).run_id = run.id
        board = session.get_one(Device, device)
        board.state, board.run_id = DeviceState.RUNNING, run.id
        session.add(Reservation(resource="device:board-2", run_id=run.id, reserved_at=START))
        session.add(RunPlan(run_id=run.id, digest="d", plan='{"dictionary": {}}'))
        for position, kind in enumerate((StepKind.TEST, StepKind.COLLECT)):
            session.add(_step(run.id, position, kind))
        return job, run.id


def _step(run: int, position: int, kind: StepKind) -> Step:
    return Step(
        run_id=run,
        position=position,
        kind=kind,
        queue=Queue.TEST,
        name=kind.value,
        method=kind.value,
        restart_from=position,
        state=StepState.WAITING,
    )


def _artifact(folder: Path, run: int) -> str:
    digest = hashlib.sha256(CONSOLE).hexdigest()
    piece = Piece(digest=digest, total=len(CONSOLE), offset=0, length=len(CONSOLE))
    ArtifactFiles(folder).store(run, piece, io.BytesIO(CONSOLE), most_bytes=10**6)
    return digest


def _write_log(logs: Logs, run: int, data: bytes) -> None:
    writer = logs.writer(run)
    writer.write(0, data, 0)
    writer.close()
