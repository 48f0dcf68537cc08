"""What a list of jobs costs: statements and buffers, whoever looks and whatever is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, and_, select, text, true
from sqlalchemy.orm import Session

from labq.domain.errors import ErrorType, InvalidInputError
from labq.domain.states import JobState, Outcome
from labq.models.job import Job
from labq.services import job_list, job_query
from labq.services.database import Role, make_engine
from labq.services.job_list import ME, Count, JobFilter
from labq.services.paging import encode_key
from labq.services.visibility import ANONYMOUS, Viewer, visible_jobs
from labq.supervisor.postgres import Postgres
from tests.lab.request_cost import as_prepared, metering

DATABASE = "job_list_costs"
JOBS = 20_000
MOST_STATEMENTS, MOST_BUFFERS = 2, 200
MIDDLE = encode_key(JOBS // 2)
VIEWERS = {
    "anonymous": ANONYMOUS,
    "a user in twelve groups": Viewer(user_id=7, name="user7", groups=tuple(range(1, 13))),
    "a user without groups": Viewer(user_id=8, name="user8"),
    "an admin": Viewer(user_id=9, name="user9", is_admin=True),
}
# Types 1 to 5 are common, all jobs of type 6 are hidden from all of these users.
LISTS = {
    "plain": JobFilter(),
    "type": JobFilter(device_type="type1"),
    "hidden type": JobFilter(device_type="type6"),
    "outcome": JobFilter(outcomes=(Outcome.COMPLETE,)),
    "rare outcome": JobFilter(outcomes=(Outcome.CANCELED,)),
    "waiting": JobFilter(states=(JobState.SUBMITTED,)),
    "state without jobs": JobFilter(states=(JobState.CANCELING,)),
    "finished": JobFilter(states=(JobState.FINISHED,)),
    "submitter": JobFilter(submitter="user3"),
    "own": JobFilter(submitter=ME),
    "device": JobFilter(device="board-3"),
    "host": JobFilter(host="host2"),
    "tag": JobFilter(tag="usb"),
    "common metadata": JobFilter(metadata=(("branch", "main"),)),
    "rare metadata": JobFilter(metadata=(("build", "77"),)),
    "error": JobFilter(error_types=(ErrorType.BUG,)),
    "since and until": JobFilter(
        since=datetime(2026, 1, 3, tzinfo=UTC), until=datetime(2026, 1, 5, tzinfo=UTC)
    ),
}
LAB = """
INSERT INTO "user" (id, name, created_at) SELECT n, 'user' || n, now() FROM generate_series(1, 40) n;
INSERT INTO device_type (name) SELECT 'type' || n FROM generate_series(1, 6) n;
INSERT INTO host (name, state, health) SELECT 'host' || n, 'online', 'active'
  FROM generate_series(1, 4) n;
INSERT INTO device (id, name, device_type, host, template, state, health)
SELECT n, 'board-' || n, 'type1', 'host1', '', 'idle', 'good' FROM generate_series(1, 100) n;
INSERT INTO audience (id, groups) SELECT n, ARRAY[n] FROM generate_series(1, 40) n;
INSERT INTO audience (id, groups, owner_id) SELECT 100 + n, '{}', n FROM generate_series(1, 40) n;
"""
ROWS = """
INSERT INTO job (id, name, submitter_id, device_type, priority, audience_id, state, outcome,
                 error_type, submitted_at, started_at, ended_at, device_id, host)
SELECT n, 'job ' || n, 1 + n % 37, 'type' || CASE WHEN n % 6 = 5 THEN 6 ELSE 1 + n % 5 END, 50,
       CASE WHEN n % 6 = 5 THEN 20 + n % 20 WHEN n % 10 < 7 THEN 0
            WHEN n % 10 = 7 THEN 101 + n % 37 ELSE 1 + n % 40 END,
       CASE WHEN n % 200 = 1 THEN 'submitted' ELSE 'finished' END,
       CASE WHEN n % 200 = 1 THEN NULL WHEN n % 5000 = 0 THEN 'canceled'
            WHEN n % 7 = 0 THEN 'incomplete' ELSE 'complete' END,
       CASE WHEN n % 7 = 0 AND n % 200 <> 1 THEN 'Bug' END,
       timestamptz '2026-01-01 00:00+00' + n * interval '30 s', now(), now(),
       1 + n % 100, 'host' || (1 + n % 4)
  FROM generate_series(1, :jobs) n;
INSERT INTO job_label (name, value, job_id, audience_id)
SELECT 'tag', 'usb', id, audience_id FROM job WHERE id % 2 = 0
UNION ALL SELECT 'meta.branch', 'main', id, audience_id FROM job
UNION ALL SELECT 'meta.build', CAST(id / 3 AS text), id, audience_id FROM job;
INSERT INTO audience_submitter
SELECT DISTINCT submitter_id, audience_id FROM job WHERE audience_id BETWEEN 1 AND 40;
"""


@pytest.fixture(scope="module")
def engine(postgres: Postgres, migrated_template: str) -> Iterator[Engine]:
    """Return a database with many jobs, which tests only read."""
    postgres.create(DATABASE, migrated_template)
    engine = make_engine(postgres.url(DATABASE), Role.API)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        for statement in (*LAB.split(";"), *ROWS.split(";")):
            if statement.strip():
                connection.execute(text(statement), {"jobs": JOBS})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # Pages with rows that foreign keys have locked are marked as visible by the second one.
        connection.execute(text("VACUUM"))
        connection.execute(text("VACUUM ANALYZE"))
    yield engine
    engine.dispose()
    with make_engine(postgres.url("postgres"), Role.COMMAND).connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text(f"DROP DATABASE {DATABASE} WITH (FORCE)"))


@dataclass
class Cost:
    """What the statements of a list took, by EXPLAIN of each."""

    statements: int = 0
    buffers: int = 0
    plan: str = ""


def _cost(engine: Engine, viewer: Viewer, wanted: JobFilter, after: str | None) -> Cost:
    cost = Cost()
    with metering(engine) as meter, Session(engine) as session:
        job_list.find_page(session, viewer, wanted, after=after, window=None)
    with engine.connect() as connection:
        for statement, values, is_prepared in meter.statements:
            run = as_prepared(connection, statement) if is_prepared else statement
            lines = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS) {run}", values)
            plan = "\n".join(row[0] for row in lines)
            total = re.search(r"Buffers: (.*)", plan)
            cost.statements += 1
            cost.buffers += (
                sum(map(int, re.findall(r"(?:hit|read)=(\d+)", total[1]))) if total else 0
            )
            cost.plan += f"{statement}\n{plan}\n"
    return cost


@pytest.mark.parametrize("who", VIEWERS)
def test_every_list_takes_few_statements_and_buffers(engine: Engine, who: str) -> None:
    for name, wanted in LISTS.items():
        for after in (None, MIDDLE):
            cost = _cost(engine, VIEWERS[who], wanted, after)
            assert cost.statements <= MOST_STATEMENTS, name
            assert cost.buffers <= MOST_BUFFERS, f"{name}\n{cost.plan}"
            assert "Seq Scan on job" not in cost.plan, f"{name}\n{cost.plan}"


NAIVE = {
    "plain": true(),
    "type": Job.device_type == "type1",
    "hidden type": Job.device_type == "type6",
    "outcome": Job.outcome == Outcome.COMPLETE,
    "rare outcome": Job.outcome == Outcome.CANCELED,
    "waiting": Job.state == JobState.SUBMITTED,
    "state without jobs": Job.state == JobState.CANCELING,
    "finished": Job.state == JobState.FINISHED,
    "submitter": Job.submitter_id == 3,
    "device": Job.device_id == 3,
    "host": Job.host == "host2",
    "tag": Job.id % 2 == 0,
    "common metadata": true(),
    "rare metadata": Job.id.in_((231, 232, 233)),
    "error": Job.error_type == ErrorType.BUG,
    "since and until": Job.submitted_at.between(
        datetime(2026, 1, 3, tzinfo=UTC), datetime(2026, 1, 4, 23, 59, 59, tzinfo=UTC)
    ),
    "two filters": and_(Job.device_type == "type1", Job.outcome == Outcome.CANCELED),
    "three filters": and_(Job.host == "host2", Job.id % 2 == 0, Job.name.contains("99")),
}
TOGETHER = {
    "two filters": JobFilter(device_type="type1", outcomes=(Outcome.CANCELED,)),
    "three filters": JobFilter(host="host2", tag="usb", name="JOB 99"),
}


@pytest.mark.parametrize("most_arms", [job_query.MOST_ARMS, 1])
@pytest.mark.parametrize("who", VIEWERS)
def test_pages_have_what_the_condition_says(
    engine: Engine, who: str, most_arms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_query, "MOST_ARMS", most_arms)
    monkeypatch.setattr(job_query, "WALK", 900)
    for name, condition in NAIVE.items():
        wanted = {**LISTS, **TOGETHER}[name]
        with Session(engine) as session:
            query = select(Job.id).where(visible_jobs(VIEWERS[who]), condition)
            expected = list(session.scalars(query.order_by(Job.id.desc()).limit(60)))
            assert _read(session, VIEWERS[who], wanted, 60) == expected, name


def _read(session: Session, viewer: Viewer, wanted: JobFilter, most: int) -> list[int]:
    """Return the first ids of a list, page by page."""
    found: list[int] = []
    after = None
    while True:
        page = job_list.find_page(session, viewer, wanted, after=after, window=None, limit=20)
        found += [job.id for job in page.items]
        if page.next is None or len(found) >= most:
            return found[:most]
        after = page.next


def test_a_list_is_counted_up_to_a_bound(engine: Engine) -> None:
    with Session(engine) as session:
        admin = VIEWERS["an admin"]
        assert job_list.count(session, admin, JobFilter(), window=None) == Count(10_000, True)
        rare = JobFilter(outcomes=(Outcome.CANCELED,))
        assert job_list.count(session, admin, rare, window=None) == Count(4)


def test_a_list_goes_back_for_its_window_but_for_unfinished_jobs(engine: Engine) -> None:
    admin = VIEWERS["an admin"]
    waiting = JobFilter(states=(JobState.SUBMITTED,))
    with Session(engine) as session:
        moment = session.scalars(text("SELECT now()")).one()
        window = moment - datetime(2026, 1, 7, tzinfo=UTC)
        ids = [
            job.id for job in job_list.find_page(session, admin, JobFilter(), window=window).items
        ]
        newest = job_list.find_page(session, admin, JobFilter(), window=timedelta(0)).items
        assert len(job_list.find_page(session, admin, waiting, window=timedelta(0)).items) == 25
    assert ids == list(range(JOBS, JOBS - 25, -1))
    assert newest == ()


@pytest.mark.parametrize("key", ["", "x", "aTE=!", encode_key("name"), encode_key(2**70), "\0"])
def test_a_forged_key_is_refused(engine: Engine, key: str) -> None:
    with Session(engine) as session, pytest.raises(InvalidInputError):
        job_list.find_page(session, ANONYMOUS, JobFilter(), after=key)
