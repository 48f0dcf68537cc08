"""How much of each run's log is stored; the bytes themselves are files (labq.blobs)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, text, tuple_, update
from sqlalchemy.orm import Session

from labq.domain.states import RunState
from labq.models.run import Run
from labq.services.transitions import LOG_CHANNEL

QUIET_AFTER = timedelta(seconds=20)
"""How long after a run's end its log is taken to be complete; late bytes unpack it again."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What of a run's log is on the disk."""

    host: str
    length: int
    lines: int


def lengths(session: Session, runs: Collection[int]) -> dict[int, Stored]:
    """Return what is stored of these runs' logs; runs that do not exist are left out."""
    query = select(Run.id, Run.host, Run.log_bytes, Run.log_lines).where(Run.id.in_(runs))
    return {run: Stored(host, length, lines) for run, host, length, lines in session.execute(query)}


def extend(session: Session, grown: Mapping[int, Stored]) -> None:
    """Store that logs are longer now, and tell who follows them."""
    session.execute(
        _EXTEND,
        {
            "channel": LOG_CHANNEL,
            "runs": list(grown),
            "lengths": [stored.length for stored in grown.values()],
            "lines": [stored.lines for stored in grown.values()],
        },
    )


def find_quiet(session: Session, now: datetime, limit: int = 200) -> list[tuple[int, int]]:
    """Return (run, log length) of ended runs whose log is complete and not packed."""
    query = (
        select(Run.id, Run.log_bytes)
        .where(Run.state == RunState.ENDED, ~Run.is_log_packed, Run.ended_at < now - QUIET_AFTER)
        .order_by(Run.ended_at)
        .limit(limit)
    )
    return [(run, length) for run, length in session.execute(query)]


def note_packed(session: Session, packed: Sequence[tuple[int, int]]) -> None:
    """Store that logs of these lengths are packed; one that has grown since is left as it is."""
    session.execute(
        update(Run)
        .where(tuple_(Run.id, Run.log_bytes).in_(packed))
        .values(is_log_packed=True)
        .execution_options(synchronize_session=False)
    )


# Rows are locked in the order in which everybody locks runs, then changed and told of.
_EXTEND = text("""
WITH grown AS (
  SELECT * FROM unnest(
    CAST(:runs AS bigint[]), CAST(:lengths AS bigint[]), CAST(:lines AS bigint[])
  ) AS one(run, length, lines)
), locked AS (
  SELECT run.id, grown.length, grown.lines
    FROM run JOIN grown ON grown.run = run.id
   ORDER BY run.job_id, run.id FOR NO KEY UPDATE OF run
), extended AS (
  UPDATE run SET log_bytes = locked.length, log_lines = locked.lines, is_log_packed = false
    FROM locked WHERE run.id = locked.id
  RETURNING run.id, run.log_bytes
)
SELECT count(pg_notify(:channel, id || ':' || log_bytes)) FROM extended
""")
