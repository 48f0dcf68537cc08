"""A filled database holds together: as if all of its jobs had been run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from labq.blobs import Logs
from labq.domain.errors import ConfigurationError
from labq.jobdef.parse import parse_job
from labq.plans import digest, load_plan
from labq.services import rollups, schema, tokens
from labq.services.database import Role, make_engine
from labq.services.job_labels import labels
from labq.supervisor.postgres import Postgres

UNTIL = datetime(2026, 11, 20, tzinfo=UTC)
TINY = """
jobs: 120
cases: 1500
days: 40
device_types: 3
devices: 8
hosts: 2
users: 12
groups: 14
waiting: 6
running: 3
logs: 3
longest_log_lines: 500
"""
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Lab:
    """A filled database and what the command said of it."""

    url: str
    engine: Engine
    blobs: Path
    facts: dict[str, Any]

    def rows(self, query: str) -> Rows:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def one(self, query: str) -> Any:
        ((found,),) = self.rows(query)
        return found


def filling(url: str, state: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        (str(Path(sys.executable).with_name("labq")), "db", "fill", *words),
        env={**os.environ, "LABQ_DATABASE_URL": url, "LABQ_STATE": str(state)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def fill(url: str, state: Path, *words: str) -> dict[str, Any]:
    process = filling(url, state, "--json", "--until", "2026-11-20", *words)
    out, err = process.communicate(timeout=110)
    assert process.returncode == 0, err
    facts: dict[str, Any] = json.loads(out)
    return facts


def kill_at(moment: str, process: subprocess.Popen[str]) -> None:
    """Kill all processes of a fill when it says that it has come so far."""
    assert process.stderr
    assert any(line.startswith(moment) for line in process.stderr)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.fixture(scope="module")
def lab(
    postgres: Postgres, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    """Return a database that was filled with the profile `small`."""
    name, state = f"fill_{uuid.uuid4().hex}", tmp_path_factory.mktemp("state")
    postgres.create(name, migrated_template)
    facts = fill(postgres.url(name), state, "--profile", "small")
    engine = make_engine(postgres.url(name), Role.COMMAND)
    yield Lab(postgres.url(name), engine, state / "blobs", facts)
    engine.dispose()


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    """Return a profile that is filled in no time."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return str(path)


def test_it_has_what_the_profile_asks_for(lab: Lab) -> None:
    counts = [lab.one(f'SELECT count(*) FROM "{table}"') for table in ("job", "test_case", "run")]
    assert counts == [2000, 40_000, lab.facts["runs"]]
    assert lab.one("SELECT count(*) FROM job WHERE state = 'submitted'") == 30
    assert lab.one("SELECT count(*) FROM device") == 60
    share = lab.one("SELECT avg((audience_id <> 0)::int)::float FROM job")
    assert 0.26 < share < 0.34


def test_its_schema_is_whole_again(lab: Lab) -> None:
    assert schema.check(lab.url).is_current
    assert list(schema.find_drift(lab.url)) == []


def test_nothing_refers_to_what_is_not_there(lab: Lab) -> None:
    # Foreign keys hold already; results and logs have none.
    assert lab.one("SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == 0
    orphans = """
      SELECT count(*) FROM test_suite AS suite LEFT JOIN job
          ON job.id = suite.job_id AND job.run_id IS NOT DISTINCT FROM suite.run_id
         AND (job.submitted_at AT TIME ZONE 'UTC')::date = suite.submitted_on
       WHERE job.id IS NULL
    """
    assert lab.one(orphans) == 0
    strays = """
      SELECT count(*) FROM test_case AS one LEFT JOIN test_suite AS suite
          ON suite.id = one.suite_id AND suite.submitted_on = one.submitted_on
       WHERE suite.id IS NULL
    """
    assert lab.one(strays) == 0
    assert (
        lab.one("SELECT count(*) FROM run_log LEFT JOIN run ON id = run_id WHERE id IS NULL") == 0
    )


def test_suites_count_their_cases(lab: Lab) -> None:
    wrong = """
      SELECT suite.id FROM test_suite AS suite LEFT JOIN test_case AS one ON suite_id = suite.id
       GROUP BY suite.id, suite.submitted_on
      HAVING count(one.id) = 0
          OR max(passed) <> count(*) FILTER (WHERE verdict = 'pass')
          OR max(failed) <> count(*) FILTER (WHERE verdict = 'fail')
          OR max(skipped) <> count(*) FILTER (WHERE verdict = 'skip')
          OR max(unknown) <> count(*) FILTER (WHERE verdict = 'unknown')
    """
    assert lab.rows(wrong) == []


def test_counts_are_those_of_the_jobs(lab: Lab) -> None:
    with Session(lab.engine) as session:
        assert rollups.check(session) == []
    assert lab.one("SELECT sum(jobs) FROM day_count") == lab.one(
        "SELECT count(*) FROM job WHERE state = 'finished'"
    )


def test_devices_are_held_by_the_jobs_that_run(lab: Lab) -> None:
    held = """
      SELECT device.name FROM device FULL JOIN job
          ON job.run_id = device.run_id AND job.state IN ('scheduled', 'running', 'canceling')
       WHERE (device.state <> 'idle' OR job.state IN ('scheduled', 'running', 'canceling'))
         AND (device.id IS DISTINCT FROM job.device_id
              OR (device.state = 'reserved') <> (job.state = 'scheduled'))
    """
    assert lab.rows(held) == []
    assert lab.one("SELECT count(*) FROM device WHERE state <> 'idle'") == lab.facts["running"] > 0
    assert (
        lab.one(
            "SELECT count(*) FROM reservation FULL JOIN device"
            " ON resource = device.name AND reservation.run_id = device.run_id"
            " WHERE (released_at IS NULL OR reservation.id IS NULL)"
            "   AND (device.run_id IS NOT NULL OR device.id IS NULL)"
            "   AND (reservation.id IS NULL OR device.id IS NULL)"
        )
        == 0
    )


def test_no_job_waits_while_a_device_could_take_it(lab: Lab) -> None:
    idle = """
      SELECT job.id FROM job JOIN device USING (device_type)
       WHERE job.state = 'submitted' AND device.state = 'idle'
         AND device.health IN ('good', 'unknown')
    """
    assert lab.rows(idle) == []


def test_a_device_runs_one_job_at_a_time(lab: Lab) -> None:
    overlaps = """
      SELECT * FROM (
        SELECT reserved_at, lag(coalesce(ended_at, 'infinity'))
                              OVER (PARTITION BY device_id ORDER BY reserved_at) AS before
          FROM run) AS pair
       WHERE before > reserved_at
    """
    assert lab.rows(overlaps) == []


def test_moments_of_a_job_follow_each_other(lab: Lab) -> None:
    wrong = """
      SELECT job.id FROM job LEFT JOIN run ON run.id = job.run_id
       WHERE NOT (job.submitted_at <= coalesce(run.reserved_at, job.submitted_at)
                  AND coalesce(run.reserved_at, job.submitted_at) <= coalesce(started_at, 'infinity')
                  AND coalesce(started_at, '-infinity') <= coalesce(job.ended_at, 'infinity'))
          OR job.ended_at > '2026-11-20' OR started_at > '2026-11-20'
          OR (run.state = 'ended') <> (job.state = 'finished')
          OR job.outcome = 'complete' AND EXISTS (
               SELECT FROM step WHERE run_id = run.id AND step.state <> 'done')
    """
    assert lab.rows(wrong) == []


def test_a_cancel_raises_the_epoch(lab: Lab) -> None:
    epochs = """
      SELECT DISTINCT run.error_type = 'Canceled', run.epoch, step.epoch
        FROM run JOIN step ON run_id = run.id
       WHERE kind = 'collect' AND step.began_at IS NOT NULL AND run.error_type IS NOT NULL
    """
    assert sorted(lab.rows(epochs)) == [(False, 1, 1), (True, 2, 2)]


def test_definitions_are_jobs_that_labq_takes(lab: Lab) -> None:
    query = """
      SELECT job.id, name, device_type, priority, tags, definition, metadata
        FROM job JOIN job_definition ON job_id = job.id
       WHERE job.id % 40 = 0
    """
    for job, name, device_type, priority, tags, definition, metadata in lab.rows(query):
        spec = parse_job(definition)
        found = (spec.name, spec.device_type, spec.priority, list(spec.tags), dict(spec.metadata))
        assert found == (name, device_type, priority, tags, metadata)
        assert len(definition) > 2000
        stored = lab.rows(f"SELECT name, value FROM job_label WHERE job_id = {job}")
        assert sorted(stored) == sorted(labels(tags, metadata))


def test_plans_are_those_of_their_runs(lab: Lab) -> None:
    query = """
      SELECT run.id, run.job_id, run.host, device.name, plan, digest, count(step.run_id)
        FROM run_plan JOIN run ON run.id = run_plan.run_id JOIN device ON device.id = device_id
        JOIN step ON step.run_id = run.id
       WHERE run.id % 60 = 0 GROUP BY run.id, device.name, plan, digest
    """
    rows = lab.rows(query)
    assert rows
    for run, job, host, device, content, name, steps in rows:
        plan = load_plan(content)
        assert (plan.run, plan.job, plan.host, plan.device) == (run, job, host, device)
        assert (digest(content), len(plan.steps)) == (name, steps)


def test_the_longest_log_has_its_cases_in_their_lines(lab: Lab) -> None:
    job = lab.facts["long_log_job"]
    ((run, size, lines),) = lab.rows(
        f"SELECT run_log.run_id, bytes, lines FROM run_log JOIN job USING (run_id) WHERE id = {job}"
    )
    assert lines >= 10_000
    logs = Logs(lab.blobs)
    assert logs.read(run, 0, size + 1).count(b"\n") == lines
    assert len(logs.read(run, 0, size + 1)) == size
    cases = lab.rows(
        "SELECT one.name, verdict, line, start_line, end_line FROM test_case AS one"
        f" JOIN test_suite AS suite ON suite.id = suite_id WHERE job_id = {job}"
        " AND start_line IS NOT NULL"
    )
    assert cases
    for name, verdict, line, start, end in cases:
        (result,) = logs.read_lines(run, line, 1, size)
        assert json.loads(result.removeprefix(b"- "))["msg"] == {
            "definition": json.loads(result.removeprefix(b"- "))["msg"]["definition"],
            "case": name,
            "result": verdict,
        }
        assert f"STARTTC {name}>".encode() in logs.read_lines(run, start, 1, size)[0]
        assert f"ENDTC {name}>".encode() in logs.read_lines(run, end, 1, size)[0]


def test_its_named_users_can_log_in(lab: Lab) -> None:
    secrets = lab.facts["tokens"]
    with Session(lab.engine) as session:
        admin = tokens.authenticate(session, secrets["fill-admin"], UNTIL)
        user = tokens.authenticate(session, secrets["fill-user"], UNTIL)
    assert admin.is_admin
    assert (user.is_admin, len(user.groups)) == (False, 12)


def test_a_database_with_jobs_is_refused_unless_it_is_to_be_added_to(
    lab: Lab, postgres: Postgres, tmp_path: Path, tiny: str
) -> None:
    lab.engine.dispose()
    name = f"fill_{uuid.uuid4().hex}"
    postgres.create(name, str(lab.engine.url.database))
    url = postgres.url(name)
    refused = filling(url, tmp_path, "--profile", tiny)
    assert "has jobs" in refused.communicate(timeout=60)[1]
    assert refused.returncode == 1
    facts = fill(url, tmp_path, "--profile", tiny, "--add", "--seed", "7")
    assert (facts["first_job"], facts["last_job"]) == (2001, 2120)
    engine = make_engine(url, Role.COMMAND)
    with Session(engine) as session:
        assert rollups.check(session) == []
    engine.dispose()


def test_the_same_seed_gives_the_same_rows_however_many_processes_there_are(
    postgres: Postgres, migrated_template: str, tmp_path: Path, tiny: str
) -> None:
    found = []
    for processes in ("1", "3"):
        name = f"fill_{uuid.uuid4().hex}"
        postgres.create(name, migrated_template)
        fill(postgres.url(name), tmp_path / name, "--profile", tiny, "--processes", processes)
        found.append(_digests(postgres.url(name)))
    assert found[0] == found[1]


def test_a_fill_that_was_killed_says_so_and_can_be_done_again(
    database_url: str, tmp_path: Path, tiny: str
) -> None:
    kill_at("loading", filling(database_url, tmp_path, "--profile", tiny))
    with pytest.raises(ConfigurationError, match="being filled"):
        schema.check(database_url)
    facts = fill(database_url, tmp_path, "--profile", tiny)
    assert facts["cases"] == 1500
    assert schema.check(database_url).is_current
    assert list(schema.find_drift(database_url)) == []


def test_a_fill_that_was_killed_can_be_taken_back(
    database_url: str, tmp_path: Path, tiny: str
) -> None:
    kill_at("making", filling(database_url, tmp_path, "--profile", tiny))
    process = filling(database_url, tmp_path, "--abandon")
    assert "taken back" in process.communicate(timeout=60)[0]
    assert schema.check(database_url).is_current
    assert list(schema.find_drift(database_url)) == []
    engine = make_engine(database_url, Role.COMMAND)
    with engine.connect() as connection:
        for table in ("job", "run", "test_case", "user", "host", "device_type", "day_count"):
            assert connection.scalar(text(f'SELECT count(*) FROM "{table}"')) == 0
    engine.dispose()


def test_a_template_is_filled_once_and_cloned_with_its_logs(
    database_url: str, postgres: Postgres, tmp_path: Path, tiny: str
) -> None:
    template, copy = f"fill_{uuid.uuid4().hex}", f"fill_{uuid.uuid4().hex}"
    words = ("--profile", tiny, "--template", template)
    first = fill(database_url, tmp_path, *words)
    assert fill(database_url, tmp_path, *words) == first
    other = filling(database_url, tmp_path, *words, "--seed", "2")
    assert "of another profile, seed or time" in other.communicate(timeout=60)[1]
    done = subprocess.run(
        (str(Path(sys.executable).with_name("labq")), "db", "clone", template, copy),
        env={**os.environ, "LABQ_DATABASE_URL": database_url, "LABQ_STATE": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0
    assert _digests(postgres.url(copy))["job"] != "None"
    packed = list((tmp_path / "clones" / copy).rglob("*.zst"))
    assert packed
    assert all(path.stat().st_nlink == 2 for path in packed)


def _digests(url: str) -> dict[str, str]:
    """Return what names the content of each table; the secrets of tokens are new each time."""
    engine = make_engine(url, Role.COMMAND)
    with engine.connect() as connection:
        tables = connection.scalars(
            text(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname <> 'token'"
                " AND relnamespace = 'public'::regnamespace"
            )
        ).all()
        found = {
            table: str(
                connection.scalar(
                    text(
                        f"SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM \"{table}\" AS t"
                    )
                )
            )
            for table in tables
        }
    engine.dispose()
    return found
