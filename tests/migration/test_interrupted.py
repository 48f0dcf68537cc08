"""An upgrade that is killed at any step is simply begun again."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from sqlalchemy import Connection, text

from labq.domain import pace
from labq.domain.errors import ConflictError
from labq.migration import backfills, locks
from labq.services import drift, schema, turns
from labq.services.database import Role, make_engine
from labq.services.upgrading import Wishes
from tests.lab.waiting import until
from tests.migration.killing import WEIGH, is_killed_on_the_way, spawn, upgrade
from tests.migration.revisions import CONTRACT, EXPAND, HEAD, configured, write

CASES = 10


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with an expanding, a migrating and a contracting revision."""
    monkeypatch.setattr(backfills, "BACKFILLS", (WEIGH,))
    monkeypatch.setattr(pace, "FIRST_ROWS", 4)
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
        "extra: column test_case.weight",
        "extra: index ix_test_case_weight (of test_case)",
        "missing: index ix_test_case_newest (of test_case)",
    ]
    assert connection.scalar(text("SELECT ended_at IS NOT NULL FROM upgrade")) is True


def test_an_index_that_was_left_half_made_is_made_anew(
    database_url: str, folder: Path, connection: Connection
) -> None:
    reader = _begin_to_read(database_url)
    process = spawn(database_url, folder)
    until(lambda: _builders(connection) == 1, "the index waits for the reader")
    process.kill()
    until(lambda: _builders(connection) == 0, "the server has noticed")
    assert _invalid(connection) > 0
    assert any("half made" in line for line in _drift(connection))
    reader.close()
    upgrade(database_url, folder)
    assert _invalid(connection) == 0


def _begin_to_read(url: str) -> psycopg2.extensions.connection:
    """Keep a view of the data as it is now: whoever makes an index waits for its end."""
    reader = psycopg2.connect(url)
    reader.set_session(isolation_level="REPEATABLE READ")
    reader.cursor().execute("SELECT count(*) FROM host")
    return reader


def _builders(connection: Connection, what: str = "count(*)") -> Any:
    query = f"SELECT {what} FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%'"
    return connection.scalar(text(f"{query} AND state = 'active' AND wait_event_type = 'Lock'"))


def test_what_a_revision_without_steps_left_half_made_is_made_anew_too(
    database_url: str, tmp_path: Path, connection: Connection
) -> None:
    statement = "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_host_address ON host (address)"
    connection.execute(text(statement))
    half_made = (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_host_address'::regclass"
    )
    connection.execute(text(half_made))
    body = f"with op.get_context().autocommit_block():\n    op.execute({statement!r})"
    write(tmp_path, "9001", body)
    upgrade(database_url, tmp_path)
    assert _invalid(connection) == 0
    assert connection.scalar(text("SELECT to_regclass('ix_host_address') IS NOT NULL")) is True


def test_an_upgrade_goes_on_when_its_connection_was_cut(
    database_url: str, folder: Path, connection: Connection
) -> None:
    reader = _begin_to_read(database_url)
    process = spawn(database_url, folder)
    until(lambda: _builders(connection, "pg_terminate_backend(pid)"), "an index is cut off")
    reader.close()
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


def test_the_statements_for_a_database_are_shown_and_change_nothing(
    database_url: str, folder: Path, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(folder)
    monkeypatch.setattr(schema, "configuration", lambda: config)
    out = io.StringIO()
    schema.write_sql(database_url, "head", out)
    for partition in connection.scalars(text("SELECT relname FROM pg_class WHERE relkind = 'r'")):
        is_part = partition.startswith("test_case_")
        assert (f"ON {partition} (weight, id)" in out.getvalue()) is is_part
    assert connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD


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
