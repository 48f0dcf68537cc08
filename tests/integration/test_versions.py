"""Old and new at once: hosts and servers of other protocols, schemas of other revisions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from labq import streams
from labq.conductor.scheduler import Scheduler
from labq.config import Settings
from labq.domain.events import HoldState
from labq.domain.orders import RunOrder
from labq.domain.states import Outcome
from labq.models.control import RejectedEvent
from labq.models.result import TestCase
from labq.plans import digest, dump_plan
from labq.services.database import Role, make_engine
from labq.services.transitions import Work
from labq.streams import log_stream
from tests.integration import bench_lab
from tests.integration.bench_lab import a_lab, a_plan
from tests.integration.conductor_lab import BOOT, HOST, TEST, Lab, began, ended, eventually

WIRE = Path(__file__).parent / "wire" / "protocol-1"


def _recorded(name: str) -> Iterator[dict[str, bytes]]:
    for line in (WIRE / f"{name}.jsonl").read_text().splitlines():
        fields = json.loads(line)
        yield {
            key: b64decode(value) if key == "data" else value.encode()
            for key, value in fields.items()
        }


def test_a_host_that_tells_no_protocol_is_understood(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending")
        assert run.id == 1, "the recording is of run 1"
        for fields in _recorded("up"):
            lab.send_raw(fields)
        for fields in _recorded("log"):
            lab.client.xadd(log_stream(HOST), fields)
        eventually(lambda: lab.is_finished(job), "the end")
        eventually(lambda: lab.log_of(1).bytes > 4000, "the log")
    assert lab.job(job).outcome is Outcome.COMPLETE
    with Session(lab.engine) as session:
        assert {"greets", "counts"} <= set(session.scalars(select(TestCase.name)))
        assert session.scalars(select(RejectedEvent)).all() == []
    assert (lab.host().protocol, lab.host().mismatch) == (1, "")


def test_orders_that_tell_no_protocol_are_done(tmp_path: Path, redis_url: str) -> None:
    with a_lab(tmp_path, redis_url) as host:
        for fields in _recorded("orders"):
            if b'"sequence"' not in fields["o"] and b'"length"' not in fields["o"]:
                host.redis.xadd(streams.orders_stream(bench_lab.HOST), fields)
        host.step(1, 0).end()
        bench_lab.until(lambda: host.of_kind(1, "ended"))


def test_an_order_of_a_kind_yet_unknown_is_passed_over(tmp_path: Path, redis_url: str) -> None:
    with a_lab(tmp_path, redis_url) as host:
        host.redis.xadd(streams.orders_stream(bench_lab.HOST), {"o": '{"kind": "dance", "run": 1}'})
        host.announce(a_plan(1))
        bench_lab.until(lambda: host.state(1) is HoldState.IDLE)
        assert "is passed over" in (tmp_path / "output").read_text()


def test_a_run_of_a_server_that_needs_a_newer_host_is_not_begun(
    tmp_path: Path, redis_url: str
) -> None:
    with a_lab(tmp_path, redis_url) as host:
        plan = dump_plan(a_plan(2))
        order = RunOrder(
            run=2,
            epoch=1,
            next=0,
            device="device-2",
            digest=digest(plan),
            plan=plan,
            protocol=2,
            oldest_protocol=2,
        )
        host.order(order)
        bench_lab.until(lambda: "the server needs protocol 2" in (tmp_path / "output").read_text())
        host.announce(a_plan(3))
        bench_lab.until(lambda: host.state(3) is HoldState.IDLE)
        assert host.state(2) is None


def test_an_event_of_a_kind_yet_unknown_is_set_aside_and_the_next_ones_count(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.send(began(run, BOOT))
        known = json.loads(streams.dump_event(ended(run, BOOT, TEST)))
        batch = {"first": 2, "events": [{**known, "kind": "weighed", "grams": 7}, known]}
        lab.send_raw({"e": json.dumps(batch).encode()})
        eventually(lambda: lab.host().sequence == 3, "three events")
    with Session(lab.engine) as session:
        payloads = session.scalars(select(RejectedEvent.payload)).all()
    assert ["weighed" in payload for payload in payloads] == [True]


@pytest.mark.parametrize(
    ("spoken", "oldest", "told"),
    [
        (0, 0, f"host {HOST} speaks protocol 0, the oldest understood here is 1"),
        (3, 2, f"host {HOST} needs protocol 2, here it is 1"),
    ],
)
def test_a_host_of_another_protocol_gets_no_new_runs_until_it_is_upgraded(
    lab: Lab, spoken: int, oldest: int, told: str
) -> None:
    with lab.conducting():
        lab.report(protocol=spoken, oldest_protocol=oldest)
        eventually(lambda: lab.host().mismatch, "the mismatch")
        assert told in lab.host().mismatch
    job = lab.submit()
    Scheduler(lab.lead(), lab.client, ()).work(frozenset(Work))
    assert lab.run_of(job) is None
    lab.expire()
    with lab.conducting():
        lab.report(protocol=1, oldest_protocol=1)
        eventually(lambda: lab.sent_run(job), "sending")
    assert lab.host().mismatch == ""


def test_a_host_that_was_told_more_than_the_database_has_gets_no_new_runs(lab: Lab) -> None:
    with lab.conducting():
        lab.report(confirmed=7)
        eventually(lambda: lab.host().mismatch, "the loss")
    assert "up to 7 are stored, and the database has them up to 0" in lab.host().mismatch
    job = lab.submit()
    Scheduler(lab.lead(), lab.client, ()).work(frozenset(Work))
    assert lab.run_of(job) is None


def _set_schema(settings: Settings, revision: str, oldest: str) -> None:
    engine = make_engine(settings.database_url, Role.COMMAND)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
        connection.execute(text("UPDATE compatibility SET oldest = :o"), {"o": oldest})
    engine.dispose()


def _run(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    given: dict[str, Any] = {
        **os.environ,
        "LABQ_STATE": str(settings.state),
        "LABQ_DATABASE_URL": settings.database_url,
        "LABQ_REDIS_URL": settings.redis_url,
        "LABQ_SECRET_KEY": "x",
    }
    command = [str(Path(sys.executable).with_name("labq")), *words]
    return subprocess.run(
        command, env=given, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("part", "revision", "oldest", "told"),
    [
        ("web", "0001", "0001", "the database has schema 0001, this labq needs"),
        ("core", "9999", "9998", "and would need to know 9998: upgrade labq on this machine"),
    ],
)
def test_a_part_does_not_begin_on_a_schema_that_does_not_fit(
    settings: Settings, part: str, revision: str, oldest: str, told: str
) -> None:
    _set_schema(settings, revision, oldest)
    done = _run(settings, part)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    checked = _run(settings, "db", "check")
    assert checked.returncode == 1
    assert told in checked.stderr


def test_a_newer_schema_that_only_added_fits(settings: Settings) -> None:
    _set_schema(settings, "9999", "0001")
    checked = _run(settings, "db", "check", "--json")
    assert checked.returncode == 0
    assert json.loads(checked.stdout)["current"] is False
    assert "and fits" in _run(settings, "db", "check").stdout
