"""How much of each run's log is stored; the bytes themselves are files (labq.blobs)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ARRAY, BigInteger, bindparam, func, select, tuple_, update
from sqlalchemy.orm import Session

from labq.domain.states import RunState
from labq.models.run import Run
from labq.services import transitions
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
    runs = sorted(grown)
    session.execute(
        select(Run.id)
        .where(Run.id.in_(runs))
        .order_by(Run.job_id, Run.id)
        .with_for_update(key_share=True)
    )
    session.execute(
        update(Run)
        .where(Run.id == _GROWN.c.run)
        .values(log_bytes=_GROWN.c.length, log_lines=_GROWN.c.lines, is_log_packed=False)
        .execution_options(synchronize_session=False),
        {
            "runs": runs,
            "lengths": [grown[run].length for run in runs],
            "lines": [grown[run].lines for run in runs],
        },
    )
    told = [(LOG_CHANNEL, f"{run}:{grown[run].length}") for run in runs]
    transitions.tell_all(session, told)


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


_GROWN = (
    func.unnest(
        bindparam("runs", type_=ARRAY(BigInteger)),
        bindparam("lengths", type_=ARRAY(BigInteger)),
        bindparam("lines", type_=ARRAY(BigInteger)),
    )
    .table_valued("run", "length", "lines", name="grown")
    .render_derived()
)
