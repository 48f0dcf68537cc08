"""Back-fills: each row once, whoever is killed; at rest while others need the database."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.orm import Session

from labq.domain import pace
from labq.domain.deadline import Deadline
from labq.domain.errors import ConflictError
from labq.migration import backfills as registry
from labq.migration.backfills import Batches
from labq.models.control import Audit
from labq.models.upgrade import Backfill
from labq.services import backfills
from labq.services.database import Role, make_engine
from labq.services.filling import Filling, Turn
from labq.services.upgrading import finish_backfill
from tests.integration.conductor_lab import NOW, Lab, eventually

ROWS = 300
# Not harmless when it is done twice: so a test sees that it is not.
MARK = Batches(
    name="mark",
    table="audit",
    statement="UPDATE audit SET reason = reason || 'x' FROM (SELECT pg_sleep(0.2)) AS slow"
    " WHERE id > :after AND id <= :upto",
)
WORKER = f"""
from labq.domain import pace
pace.FIRST_ROWS = 50
from labq.migration import backfills
backfills.BACKFILLS = (backfills.{MARK!r},)
from labq.tasks.core_worker import main
main()
"""


@pytest.fixture
def engine(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Return an engine for a database with ROWS rows to mark."""
    monkeypatch.setattr(registry, "BACKFILLS", (MARK,))
    monkeypatch.setattr(pace, "FIRST_ROWS", 100)
    made = make_engine(lab.settings.database_url, Role.CORE)
    values = {
        "at": NOW,
        "actor": "ann",
        "subject": "x",
        "subject_id": "1",
        "before": "",
        "after": "",
    }
    with made.begin() as connection:
        connection.execute(text("DELETE FROM audit"))
        connection.execute(insert(Audit), [values] * ROWS)
        connection.execute(insert(Backfill), {"name": MARK.name, "total": ROWS})
    yield made
    made.dispose()


def _row(engine: Engine) -> Backfill:
    with Session(engine) as session:
        return session.scalars(select(Backfill)).one()


def _marks(engine: Engine) -> dict[str, int]:
    with engine.begin() as connection:
        rows = connection.execute(
            text("SELECT reason, count(*) AS number FROM audit WHERE subject = 'x' GROUP BY reason")
        )
        return {row.reason: row.number for row in rows}


def _worker(lab: Lab) -> subprocess.Popen[bytes]:
    given = {
        "LABQ_DATABASE_URL": lab.settings.database_url,
        "LABQ_REDIS_URL": lab.settings.redis_url,
        "LABQ_STATE": str(lab.settings.state),
    }
    command = [sys.executable, "-c", WORKER]
    return subprocess.Popen(command, env={**os.environ, **given}, start_new_session=True)


def _hand_out(lab: Lab) -> None:
    """Let the time pass after which nobody waits for a task that was lost."""
    with lab.engine.begin() as connection:
        connection.execute(text("UPDATE backfill SET due_at = now() - interval '1 second'"))
        connection.execute(text("SELECT pg_notify('labq_work', 'delivering')"))


def test_a_back_fill_whose_worker_is_killed_is_carried_on_by_another_one(
    lab: Lab, engine: Engine
) -> None:
    with lab.conducting():
        first = _worker(lab)
        try:
            eventually(lambda: _row(engine).done, "a batch", 60)
        finally:
            first.kill()
            first.wait()
        assert _row(engine).finished_at is None
        second = _worker(lab)
        try:
            _hand_out(lab)
            eventually(lambda: _row(engine).finished_at, "the end", 60)
        finally:
            second.terminate()
            second.wait()
    assert _marks(engine) == {"x": ROWS}
    assert _row(engine).done == ROWS


def test_a_back_fill_rests_while_somebody_waits_for_a_lock_and_says_so(engine: Engine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    plain = url.replace("+psycopg2", "")
    holder, waiter = psycopg2.connect(plain), psycopg2.connect(plain)
    holder.cursor().execute("LOCK TABLE host")
    thread = threading.Thread(target=lambda: waiter.cursor().execute("SELECT 1 FROM host"))
    thread.start()
    eventually(lambda: _waiting(engine), "a query that waits")
    turns: list[Turn] = []
    worker = threading.Thread(
        target=lambda: turns.append(Filling(engine, MARK).run(Deadline.after(100)))
    )
    worker.start()
    eventually(lambda: _row(engine).rests == "1 queries wait for locks", "the rest", 60)
    assert 0 < _row(engine).done < ROWS
    holder.rollback()
    thread.join()
    waiter.close()
    holder.close()
    worker.join()
    assert turns == [Turn.FINISHED]
    assert (_row(engine).rests, _marks(engine)) == ("", {"x": ROWS})


def _waiting(engine: Engine) -> Any:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with engine.begin() as connection:
        return connection.scalar(text(f"{query} AND datname = current_database()"))


def test_a_back_fill_is_carried_out_by_one_at_a_time(engine: Engine) -> None:
    with engine.begin() as other:
        other.execute(text("SELECT FROM backfill FOR UPDATE"))
        assert Filling(engine, MARK).batch() is Turn.BUSY
    assert Filling(engine, MARK).batch() is Turn.DONE


def test_an_upgrade_that_needs_a_back_fill_carries_it_out_itself(engine: Engine) -> None:
    told: list[str] = []
    finish_backfill(engine, MARK.name, told.append)
    assert _marks(engine) == {"x": ROWS}
    assert told[0] == f"back-fill mark: 0 of about {ROWS} rows"
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM backfill"))
    with pytest.raises(ConflictError, match="was never begun"):
        finish_backfill(engine, MARK.name, told.append)


def test_a_back_fill_that_fails_is_tried_again_later_each_time(lab: Lab, engine: Engine) -> None:
    now, pauses = datetime.now(UTC), []
    for _ in range(3):
        with Session(engine) as session, session.begin():
            backfills.note_failure(session, MARK.name, "division by zero", now)
        pauses.append((_row(engine).due_at - now).total_seconds())
    assert pauses == [10, 20, 40]
    with Session(lab.engine) as session, session.begin():
        assert backfills.hand_out(session, now) == []
        assert backfills.hand_out(session, now + timedelta(minutes=1)) == [MARK.name]
        assert backfills.hand_out(session, now + timedelta(minutes=1)) == []
    assert _row(engine).error == "division by zero"
    Filling(engine, MARK).batch()
    assert (_row(engine).error, _row(engine).failures) == ("", 0)
