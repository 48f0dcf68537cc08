"""The row that announces an upgrade of the schema: written by who upgrades, read by all parts.

Statements name only columns of the first such row: who announces may know another schema.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, exists, func, select, text
from sqlalchemy.orm import Session

from labq.models.upgrade import Upgrade
from labq.services.transitions import WORK_CHANNEL, Work

LEASE_SECONDS = 10
"""How long an announcement stands after the last word of who made it."""
CHANNEL = "labq_system"
"""Notified when an upgrade begins and ends; whoever follows looks at the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """An upgrade from one revision to another; `step` is what it does now."""

    holder: str
    found: str
    target: str
    pauses_scheduling: bool
    step: str
    began_at: datetime
    ended_at: datetime | None
    error: str
    is_running: bool

    @property
    def is_interrupted(self) -> bool:
        """Return whether it was killed: it neither runs nor ended."""
        return not self.is_running and self.ended_at is None


def find(session: Session) -> Announcement | None:
    """Return the upgrade that runs or ran last, None when there was none."""
    is_running = (Upgrade.until > func.clock_timestamp()) & Upgrade.ended_at.is_(None)
    row = session.execute(
        select(
            Upgrade.holder,
            Upgrade.found,
            Upgrade.target,
            Upgrade.pauses_scheduling,
            Upgrade.step,
            Upgrade.began_at,
            Upgrade.ended_at,
            Upgrade.error,
            is_running.label("is_running"),
        )
    ).one_or_none()
    return None if row is None else Announcement(**row._asdict())


def find_running(session: Session) -> Announcement | None:
    """Return the upgrade that runs now."""
    found = find(session)
    return found if found and found.is_running else None


def is_paused() -> ColumnElement[bool]:
    """Return as an expression whether an upgrade runs that lets nothing new begin."""
    is_running = Upgrade.ended_at.is_(None), Upgrade.until > func.clock_timestamp()
    return exists().where(Upgrade.pauses_scheduling, *is_running)


def announce(connection: Connection, found: Announcement) -> bool:
    """Say that the upgrade runs, for LEASE_SECONDS; False while the schema has no place for it."""
    if connection.scalar(text("SELECT to_regclass('upgrade')")) is None:
        return False
    values = {
        "holder": found.holder,
        "found": found.found,
        "target": found.target,
        "pauses": found.pauses_scheduling,
        "step": found.step,
        "began": found.began_at,
        "lease": LEASE_SECONDS,
    }
    if connection.scalar(_ANNOUNCE, values) != found.holder:
        _tell(connection)
    return True


def withdraw(connection: Connection, holder: str, error: str = "") -> None:
    """Say that the upgrade of `holder` is over; the conductor begins what waited."""
    if connection.scalar(text("SELECT to_regclass('upgrade')")) is None:
        return
    connection.execute(_WITHDRAW, {"holder": holder, "error": error})
    _tell(connection)


def settle(connection: Connection) -> None:
    """Note that nothing is left to do of an upgrade that was killed; for who has the turn."""
    if connection.scalar(text("SELECT to_regclass('upgrade')")) is not None:
        connection.execute(_SETTLE)
    connection.commit()


def _tell(connection: Connection) -> None:
    query = text("SELECT pg_notify(:system, ''), pg_notify(:work, :pairing)")
    values = {"system": CHANNEL, "work": WORK_CHANNEL, "pairing": Work.PAIRING.value}
    connection.execute(query, values)


# Returns whose upgrade was announced before, as far as it still is.
_ANNOUNCE = text("""
WITH before AS (SELECT holder FROM upgrade WHERE ended_at IS NULL)
INSERT INTO upgrade (id, holder, found, target, pauses_scheduling, step, began_at, until)
VALUES (1, :holder, :found, :target, :pauses, :step, :began,
        clock_timestamp() + make_interval(secs => :lease))
ON CONFLICT (id) DO UPDATE
SET holder = excluded.holder, found = excluded.found, target = excluded.target,
    pauses_scheduling = excluded.pauses_scheduling, step = excluded.step,
    began_at = excluded.began_at, until = excluded.until, ended_at = NULL, error = ''
RETURNING (SELECT holder FROM before)
""")
_WITHDRAW = text("""
UPDATE upgrade SET ended_at = clock_timestamp(), until = clock_timestamp(), step = '', error = :error
 WHERE holder = :holder
""")
_SETTLE = text("UPDATE upgrade SET ended_at = until, step = '' WHERE ended_at IS NULL")
