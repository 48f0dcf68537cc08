"""`labq db check`: what differs from the models is named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import Connection, text

from labq.services import drift
from labq.services.database import Role, make_engine

TODAY = date.today()  # noqa: DTZ011 - partitions were made for it


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """Return a connection to a migrated database."""
    engine = make_engine(database_url, Role.COMMAND)
    with engine.connect() as made:
        yield made
    engine.dispose()


def _found(connection: Connection) -> list[str]:
    return [one.describe() for one in drift.find(connection, TODAY)]


def test_a_migrated_database_has_no_drift(connection: Connection) -> None:
    assert _found(connection) == []


UNCHECKED = (
    "ALTER TABLE compatibility DROP CONSTRAINT ck_compatibility_single,"
    " ADD CONSTRAINT ck_compatibility_single CHECK (id = 1) NOT VALID"
)
DIFFERENCES = (
    ("ALTER TABLE job ADD COLUMN weight int", "extra: column job.weight"),
    ("ALTER TABLE host DROP COLUMN mismatch", "missing: column host.mismatch"),
    ("CREATE TABLE scales (id int)", "extra: table scales"),
    ("DROP TABLE backfill", "missing: table backfill"),
    ("CREATE INDEX ix_odd ON job (name)", "extra: index ix_odd (of job)"),
    (
        "DROP INDEX ix_rejected_event_host",
        "missing: index ix_rejected_event_host (of rejected_event)",
    ),
    (
        "ALTER TABLE leader ALTER COLUMN term TYPE int",
        "other: column leader.term (type is INTEGER, should be BIGINT)",
    ),
    (
        "ALTER TABLE audit ALTER COLUMN reason SET DEFAULT 'x'",
        "other: column audit.reason (default is 'x'::text, should be )",
    ),
    (
        "ALTER TABLE host ALTER COLUMN address DROP NOT NULL",
        "other: column host.address (nullable is True, should be False)",
    ),
    (
        "ALTER TABLE leader DROP CONSTRAINT ck_leader_single",
        "missing: check ck_leader_single (of leader)",
    ),
    ("ALTER TABLE job ADD CONSTRAINT odd CHECK (id > 0)", "extra: check odd (of job)"),
    (
        UNCHECKED,
        "broken: constraint ck_compatibility_single (of compatibility, not checked on all rows)",
    ),
    (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_audit_subject'::regclass",
        "broken: index ix_audit_subject (half made: not used)",
    ),
    (f"DROP TABLE test_case_{TODAY:%Y_%m}", f"missing: partition test_case_{TODAY:%Y_%m}"),
)


def test_each_difference_is_named(connection: Connection) -> None:
    for statement, _ in DIFFERENCES:
        connection.execute(text(statement))
    assert sorted(_found(connection)) == sorted(told for _, told in DIFFERENCES)
