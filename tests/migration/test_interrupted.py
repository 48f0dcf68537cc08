"""An upgrade that is killed at any step is simply begun again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from sqlalchemy import Connection, text

from labq.domain.errors import ConflictError
from labq.migration import backfills, locks
from labq.services import drift, filling, turns
from labq.services.database import Role, make_engine
from labq.services.upgrading import Wishes
from tests.lab.waiting import until
from tests.migration.killing import HEAD, WEIGH, is_killed_on_the_way, spawn, upgrade, write

EXPAND = """
steps.create_table("scale", sa.Column("id", sa.Integer(), primary_key=True))
steps.add_column("test_case", sa.Column("weight", sa.Integer()))
steps.add_column("run", sa.Column("scale_id", sa.Integer()))
steps.add_foreign_key("fk_run_scale_id", "run", ["scale_id"], "scale (id)", ondelete="SET NULL")
steps.create_index("ix_test_case_weight", "test_case", "weight", "id", where="weight IS NOT NULL")
steps.create_index("ix_run_scale_id", "run", "scale_id DESC", include=["id"])
steps.add_check("ck_run_scale_positive", "run", "scale_id > 0")
steps.add_unique("uq_run_scale_id", "run", "scale_id", "id")
"""
CONTRACT = """
steps.set_not_null("test_case", "weight")
steps.drop_index("ix_run_scale_id")
steps.drop_index("ix_test_case_name")
steps.drop_constraint("uq_run_scale_id", "run")
steps.drop_column("run", "scale_id")
steps.drop_table("scale")
op.execute("UPDATE compatibility SET oldest = '9003'")
"""
CASES = 10


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with an expanding, a migrating and a contracting revision."""
    monkeypatch.setattr(backfills, "BACKFILLS", (WEIGH,))
    monkeypatch.setattr(filling, "FIRST_ROWS", 4)
    write(tmp_path, "9001", EXPAND)
    write(tmp_path, "9002", 'steps.backfill("weigh")', before="9001", phase="migrate")
    write(tmp_path, "9003", CONTRACT, before="9002", phase="contract", requires=("weigh",))
    return tmp_path


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """Return a connection to a migrated database with some cases in two months."""
    engine = make_engine(database_url, Role.COMMAND)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as made:
        made.execute(_CASES, {"cases": CASES})
        yield made
    engine.dispose()


_CASES = text("""
INSERT INTO test_case (suite_id, "offset", logged_at, submitted_on, epoch, step, verdict, channel, name)
SELECT 1, number, now(), current_date + 31 * (number % 2), 1, 0, 'pass', 'main', 'case'
  FROM generate_series(1, :cases) AS number
""")


def _drift(connection: Connection) -> list[str]:
    return [one.describe() for one in drift.find(connection, datetime.now(UTC).date())]


def _invalid(connection: Connection) -> Any:
    query = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
    return connection.scalar(text(query))


@pytest.mark.timeout(400)
def test_an_upgrade_that_is_killed_at_any_step_is_completed_by_the_next_ones(
    database_url: str, folder: Path, connection: Connection
) -> None:
    known = folder / "statements"
    known.touch()
    kills = 0
    while is_killed_on_the_way(database_url, folder, known):
        kills += 1
    assert kills >= 35
    assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9003"
    # Each row exactly once, however often a batch was interrupted.
    weights = connection.scalars(text("SELECT weight FROM test_case")).all()
    assert weights == [1] * CASES
    assert _invalid(connection) == 0
    assert sorted(_drift(connection)) == [
        "extra: check ck_run_scale_positive (of run)",
        "extra: column test_case.weight",
        "extra: index ix_test_case_weight (of test_case)",
        "missing: index ix_test_case_name (of test_case)",
        "other: column test_case.weight",
    ]
    assert connection.scalar(text("SELECT ended_at IS NOT NULL FROM upgrade")) is True


def test_an_index_that_was_left_half_made_is_made_anew(
    database_url: str, folder: Path, connection: Connection
) -> None:
    reader = psycopg2.connect(database_url)
    reader.cursor().execute("SELECT count(*) FROM test_case; SELECT count(*) FROM run")
    process = spawn(database_url, folder)
    until(lambda: _builders(connection) == 1, "the index waits for the reader")
    process.kill()
    until(lambda: _builders(connection) == 0, "the server has noticed")
    assert _invalid(connection) > 0
    assert any("half made" in line for line in _drift(connection))
    reader.close()
    upgrade(database_url, folder)
    assert _invalid(connection) == 0


def _builders(connection: Connection) -> Any:
    query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%'"
    return connection.scalar(text(f"{query} AND state = 'active' AND wait_event_type = 'Lock'"))


def test_an_upgrade_goes_on_when_its_connection_was_cut(
    database_url: str, folder: Path, connection: Connection
) -> None:
    blocker = psycopg2.connect(database_url)
    blocker.cursor().execute("LOCK TABLE run IN ROW EXCLUSIVE MODE")
    process = spawn(database_url, folder)
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%ON run (%'"
    cut += " AND state = 'active' AND wait_event_type = 'Lock'"
    until(lambda: connection.scalar(text(cut)), "the index of run is cut off")
    blocker.close()
    process.join(60)
    assert process.exitcode == 0
    assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9003"
    assert _invalid(connection) == 0


def test_a_lock_that_others_hold_is_asked_for_again_and_again_and_stops_nobody_for_long(
    database_url: str, folder: Path, connection: Connection
) -> None:
    blocker = psycopg2.connect(database_url)
    blocker.cursor().execute("SELECT count(*) FROM test_case")
    process = spawn(database_url, folder)
    waits = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE test_case ADD%'"
    for _ in range(2):
        until(lambda: connection.scalar(text(f"{waits} AND state = 'active'")), "it waits")
        until(lambda: not connection.scalar(text(f"{waits} AND state = 'active'")), "it lets go")
        # Whoever comes meanwhile is served.
        connection.execute(text("SELECT count(*) FROM test_case"))
    blocker.close()
    process.join(60)
    assert process.exitcode == 0


def test_a_lock_that_is_never_to_be_had_is_an_error_that_names_its_holder(
    database_url: str, folder: Path, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 0.0)
    blocker = psycopg2.connect(database_url, application_name="a long report")
    blocker.cursor().execute("SELECT count(*) FROM test_case")
    with pytest.raises(ConflictError, match=r"test_case .* \(a long report, for \d+ s\)"):
        upgrade(database_url, folder)
    blocker.close()
    error = connection.scalar(text("SELECT error FROM upgrade WHERE ended_at IS NOT NULL"))
    assert "a long report" in error


def test_a_second_upgrade_is_refused_and_told_who_does_the_first(
    database_url: str, folder: Path, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "GRACE_SECONDS", 0.0)
    engine = make_engine(database_url, Role.MIGRATION, application="the first")
    with engine.connect() as first:
        turns.take(first, waits=False)
        with pytest.raises(ConflictError, match="being changed by the first migration"):
            upgrade(database_url, folder, Wishes(waits=False))
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD
    engine.dispose()
    assert upgrade(database_url, folder, Wishes(waits=False)).target == "9003"
