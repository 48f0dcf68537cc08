"""How fast results that wait in Redis become rows, by a real conductor, against a bare COPY of them."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import redis
from sqlalchemy.orm import Session

from labq.domain.events import EventBatch, ResultReported
from labq.domain.plan import Queue, StepKind
from labq.domain.states import JobState, RunState, StepState
from labq.domain.verdicts import Verdict
from labq.models.device import Device
from labq.models.job import Job
from labq.models.run import Run, RunPlan, Step
from labq.services import devices, hosts, jobs, schema, users
from labq.services.database import Role, make_engine
from labq.services.devices import NewDevice
from labq.services.users import NewUser
from labq.services.visibility import Viewer
from labq.streams import EVENTS_FIELD, dump_event_batch, up_stream
from labq.supervisor import postgres as postgres_server
from labq.supervisor import redis as redis_server
from labq.supervisor.postgres import Postgres
from tests.benchmarks.figures import Figure, median, say
from tests.lab import programs
from tests.lab.devices import shell_job
from tests.lab.jobs import say as command
from tests.lab.server import program
from tests.lab.waiting import until

HOSTS = 8
RUNS = 5
"""Of each host, which report at the same time."""
CASES = 6_000
"""Of each run."""
BATCH = 500
"""Events in one entry, as hosts send them."""
COPIES = 3
DATABASE = "labq"
SHELL = "{% extends 'shell.jinja2' %}\n"
COLUMNS = (
    'id, suite_id, "offset", logged_at, submitted_on, epoch, line, start_line, end_line, step,'
    " verdict, channel, name, units, measurement, test_set, details"
)


@dataclass(frozen=True, slots=True)
class Site:
    """A database with the newest schema and a Redis, with the settings that labq gives them."""

    postgres: Postgres
    redis_url: str
    folder: Path

    @property
    def url(self) -> str:
        """Return the URL of the database."""
        return self.postgres.url(DATABASE)


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """Run both servers in a folder until the block is left."""
    database = postgres_server.prepare(folder / "postgres")
    broker = redis_server.prepare(folder / "redis")
    with (
        programs.running(database.argv, database.folder, database.is_ready),
        programs.running(broker.argv, broker.folder, broker.is_ready),
    ):
        database.create(DATABASE)
        schema.upgrade(database.url(DATABASE))
        yield Site(database, broker.url, folder)


def measure(folder: Path) -> Iterator[Figure]:
    """Let results of many runs wait in Redis, then have a conductor store all of them."""
    with site(folder) as found:
        total = _fill(found)
        say(f"{total} results wait")
        rate = _conduct(found, total)
        bare = median([_copy(found) for _ in range(COPIES)])
    say(f"a bare COPY stores {bare:.0f} cases/s")
    yield Figure("ingest_cases_per_second", round(rate), "cases/s", "at least 20,000")
    yield Figure("ingest_ratio", round(rate / bare, 3), "of a bare COPY", "at least 0.3")


def _fill(found: Site) -> int:
    """Make hosts with runs in their test step, and put what they report into their streams."""
    engine = make_engine(found.url, Role.COMMAND)
    with Session(engine) as session, session.begin():
        user = Viewer(user_id=users.create(session, NewUser(name="ann"), now=now()).id, name="ann")
        names = [f"host-{number}" for number in range(HOSTS)]
        runs = {
            name: [run_in_test(session, user, name, board) for board in range(RUNS)]
            for name in names
        }
    engine.dispose()
    with redis.Redis.from_url(found.redis_url) as client:
        return sum(_send(client, name, numbers) for name, numbers in runs.items())


def run_in_test(session: Session, user: Viewer, host: str, board: int) -> int:
    """Return the number of a run that has begun its test step."""
    if board == 0:
        hosts.add(session, host)
        session.flush()
    name = f"{host}-board-{board}"
    devices.add(
        session,
        NewDevice(name=name, device_type="shell", host=host, template=SHELL),
        templates=(),
    )
    number = jobs.submit(session, shell_job(command("echo", "case")), user=user, now=now())
    session.flush()
    job, device = session.get_one(Job, number), session.query(Device).filter_by(name=name).one()
    run = Run(
        job_id=number,
        number=1,
        device_id=device.id,
        host=host,
        state=RunState.RUNNING,
        epoch=1,
        next=0,
        sent="0-0",
        reserved_at=now(),
        began_at=now(),
    )
    session.add(run)
    session.flush()
    session.add(RunPlan(run_id=run.id, digest="d", plan="{}"))
    session.add(_step(run.id))
    job.state, job.started_at, job.run_id, job.device_id = (
        JobState.RUNNING,
        now(),
        run.id,
        device.id,
    )
    return run.id


def _step(run: int) -> Step:
    return Step(
        run_id=run,
        position=0,
        kind=StepKind.TEST,
        queue=Queue.TEST,
        name="test",
        method="shell",
        restart_from=0,
        state=StepState.RUNNING,
    )


def _send(client: redis.Redis, host: str, runs: list[int]) -> int:
    """Put the results of a host's runs, which take turns, into its stream; return how many."""
    events = [result(run, number) for number in range(CASES) for run in runs]
    for first in range(0, len(events), BATCH):
        batch = EventBatch(first=first + 1, events=tuple(events[first : first + BATCH]))
        client.xadd(up_stream(host), {EVENTS_FIELD: dump_event_batch(batch)})
    return len(events)


def result(run: int, number: int) -> ResultReported:
    """Return what a host reports of one case of a run."""
    is_measured = number % 4 == 0
    return ResultReported(
        run=run,
        epoch=1,
        step=0,
        at=now(),
        channel="console",
        offset=1_000 + 73 * number,
        line=20 + number,
        suite=f"{number // 1_000}_ltp-syscalls",
        case=f"syscall-{number % 1_000:03}_variant",
        verdict=Verdict.FAIL if number % 17 == 0 else Verdict.PASS,
        measurement=Decimal(number) / 8 if is_measured else None,
        units="ms" if is_measured else "",
        start_line=19 + number,
        end_line=20 + number,
    )


def _conduct(found: Site, total: int) -> float:
    """Start a conductor; return cases a second from the first stored batch to the last."""
    log = found.folder / "conductor.log"
    environment = {
        **os.environ,
        "LABQ_DATABASE_URL": found.url,
        "LABQ_REDIS_URL": found.redis_url,
        "LABQ_SECRET_KEY": "key of a benchmark",
        "LABQ_STATE": str(found.folder / "state"),
    }
    with closing(psycopg2.connect(found.url)) as link, log.open("wb") as output:
        link.autocommit = True
        process = subprocess.Popen(
            (program(), "conductor"), env=environment, stdout=output, stderr=output
        )
        try:
            before = until(lambda: _applied(link), "the first results are stored", pause=0.002)
            began = time.monotonic()
            until(lambda: _applied(link) == total, "all are stored", 300, pause=0.01)
            seconds = time.monotonic() - began
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        stored = _value(link, "SELECT count(*) FROM test_case")
        counted = _value(link, "SELECT sum(passed + failed + skipped + unknown) FROM test_suite")
    assert (stored, counted) == (total, total), f"{stored} stored, {counted} counted of {total}"
    return (total - before) / seconds


def _applied(link: Any) -> int:
    return int(_value(link, "SELECT sum(sequence) FROM host"))


def _copy(found: Site) -> float:
    """Copy the stored rows into a table like the one they are in; return rows a second."""
    rows = io.StringIO()
    with closing(psycopg2.connect(found.url)) as link, link.cursor() as cursor:
        cursor.copy_expert(f"COPY (SELECT {COLUMNS} FROM test_case ORDER BY id) TO STDOUT", rows)
        cursor.execute("DROP TABLE IF EXISTS bare")
        cursor.execute("CREATE TABLE bare (LIKE test_case INCLUDING ALL)")
        link.commit()
        rows.seek(0)
        began = time.monotonic()
        cursor.copy_expert(f"COPY bare ({COLUMNS}) FROM STDIN", rows)
        link.commit()
        return float(cursor.rowcount / (time.monotonic() - began))


def _value(link: Any, query: str) -> Any:
    with link.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


def now() -> datetime:
    """Return the moment."""
    return datetime.now(UTC)
