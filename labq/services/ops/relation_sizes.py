"""How large tables and indexes are and how fast they grow, from samples that are kept.

Samples of the last two days stay, of days before that the first one of each, for KEPT.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import Session

from labq.models.ops import RelationSize

EVERY = timedelta(hours=1)
CLOSE = timedelta(days=2)
KEPT = timedelta(days=400)
DAY_SECONDS = 86_400
# Two tasks at once take one sample.
_LOCK = 5_722_901_340
_PRESENT = text("""
    SELECT c.relname,
           CASE WHEN c.relkind = 'i' THEN 'index' ELSE 'table' END AS kind,
           coalesce(ofindex.relname, parent.relname, '') AS owner,
           CASE WHEN c.relkind = 'i' THEN pg_relation_size(c.oid) ELSE pg_table_size(c.oid) END AS bytes,
           c.reltuples::bigint AS rows
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_index i ON i.indexrelid = c.oid
      LEFT JOIN pg_class ofindex ON ofindex.oid = i.indrelid
      LEFT JOIN pg_inherits h ON h.inhrelid = c.oid
      LEFT JOIN pg_class parent ON parent.oid = h.inhparent
     WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'm', 'i')
     ORDER BY c.relname
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table or an index as it is now."""

    name: str
    kind: str
    owner: str
    bytes: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth(Relation):
    """And what a day adds to it: null before there is a sample that is old enough to tell."""

    bytes_per_day: float | None
    since: datetime | None


def find_present(session: Session) -> Iterator[Relation]:
    """Yield tables and indexes with their sizes; `rows` is the planner's estimate."""
    for name, kind, owner, size, rows in session.execute(_PRESENT):
        yield Relation(name=name, kind=kind, owner=owner, bytes=int(size or 0), rows=int(rows))


def is_due(session: Session, now: datetime) -> bool:
    """Tell whether the last sample is old enough for the next one."""
    last = session.scalar(select(func.max(RelationSize.measured_at)))
    return last is None or now - last >= EVERY


def sample(session: Session, now: datetime) -> int:
    """Keep the sizes of this moment unless that was just done; return how many rows were written."""
    if not session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))) or not is_due(
        session, now
    ):
        return 0
    rows = [
        {
            "measured_at": now,
            "name": one.name,
            "kind": one.kind,
            "owner": one.owner,
            "bytes": one.bytes,
            "rows": one.rows,
        }
        for one in find_present(session)
    ]
    session.execute(insert(RelationSize), rows)
    _thin_out(session, now)
    return len(rows)


def find(session: Session, now: datetime) -> list[Growth]:
    """Return tables and indexes with their growth, the largest first.

    Growth is measured against the newest sample that is at least a day old, else the oldest one.
    """
    before = _before(session, now)
    found = [_growth(one, before.get(one.name), now) for one in find_present(session)]
    return sorted(found, key=lambda one: (-one.bytes, one.name))


def _before(session: Session, now: datetime) -> dict[str, tuple[datetime, int]]:
    is_old = RelationSize.measured_at <= now - timedelta(days=1)
    at = session.scalar(select(func.max(RelationSize.measured_at)).where(is_old))
    at = at or session.scalar(select(func.min(RelationSize.measured_at)))
    query = select(RelationSize.name, RelationSize.bytes).where(RelationSize.measured_at == at)
    return {} if at is None else {name: (at, size) for name, size in session.execute(query)}


def _growth(one: Relation, before: tuple[datetime, int] | None, now: datetime) -> Growth:
    at, size = before or (None, 0)
    seconds = (now - at).total_seconds() if at else 0.0
    per_day = (one.bytes - size) * DAY_SECONDS / seconds if seconds > 0 else None
    return Growth(
        name=one.name,
        kind=one.kind,
        owner=one.owner,
        bytes=one.bytes,
        rows=one.rows,
        bytes_per_day=per_day,
        since=at if per_day is not None else None,
    )


def _thin_out(session: Session, now: datetime) -> None:
    """Forget what is too old, and all but the first sample of each day that is over."""
    session.execute(delete(RelationSize).where(RelationSize.measured_at < now - KEPT))
    day = func.date_trunc("day", func.timezone("UTC", RelationSize.measured_at))
    firsts = (
        select(func.min(RelationSize.measured_at))
        .where(RelationSize.measured_at < now - CLOSE)
        .group_by(day)
    )
    session.execute(
        delete(RelationSize).where(
            RelationSize.measured_at < now - CLOSE, RelationSize.measured_at.not_in(firsts)
        )
    )
