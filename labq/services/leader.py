"""Leadership of the conductors: one row, a term, and the database's clock."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from labq.domain.errors import LabqError
from labq.domain.states import RunState

LEASE_SECONDS = 3


class LostLeadershipError(LabqError):
    """Another conductor leads: nothing of this transaction may be kept."""


@dataclass(frozen=True, slots=True)
class Term:
    """The time in which one conductor leads; a later one has a higher number."""

    number: int
    holder: str


def take(session: Session, holder: str) -> Term | None:
    """Begin a term if nobody leads now; None while somebody does."""
    session.execute(
        text(
            "INSERT INTO leader (id, term, holder, until) VALUES (1, 0, '', '-infinity')"
            " ON CONFLICT DO NOTHING"
        )
    )
    number = session.scalar(
        text(
            "UPDATE leader SET term = term + 1, holder = :holder,"
            " until = clock_timestamp() + make_interval(secs => :lease)"
            " WHERE id = 1 AND until < clock_timestamp() RETURNING term"
        ),
        {"holder": holder, "lease": LEASE_SECONDS},
    )
    return None if number is None else Term(number, holder)


def renew(session: Session, term: Term) -> None:
    """Lead on for LEASE_SECONDS; raises LostLeadershipError when somebody else leads.

    A crash of the database may forget it, which only ends the term early: no wait for the disk.
    """
    session.execute(text("SET LOCAL synchronous_commit = off"))
    _set_until(session, term, LEASE_SECONDS)


def give_up(session: Session, term: Term) -> None:
    """End the term at once, so that the next conductor need not wait for it to run out."""
    _set_until(session, term, 0)


def guard(session: Session, term: Term, *, is_light: bool = False) -> None:
    """Hold the leader's row at this term until the transaction ends; the first thing each one does.

    A light transaction's commit does not wait for the disk. Raises LostLeadershipError when
    another term has begun: a conductor that was paused finds out here, before it has changed
    anything.
    """
    current = session.scalar(_GUARD_LIGHTLY if is_light else _GUARD)
    if current != term.number:
        raise LostLeadershipError(f"term {term.number} is over, {current} has begun")


def read_generation(session: Session) -> str:
    """Return the generation of Redis's data that this server last announced."""
    return session.scalar(text("SELECT generation FROM leader WHERE id = 1")) or ""


def write_generation(session: Session, generation: str) -> None:
    """Store a new generation; where hosts' streams are read from starts over with it.

    Ids of orders sent before mean nothing any more, and may be later than those that come: a report
    of the new generation shows what became of all of them.
    """
    session.execute(
        text("UPDATE leader SET generation = :generation WHERE id = 1"), {"generation": generation}
    )
    session.execute(text("UPDATE host SET up_id = '0-0'"))
    session.execute(
        text(
            "UPDATE run SET sent = '0-0' WHERE sent IS NOT NULL"
            " AND (state <> :ended OR (lost_at IS NOT NULL AND torn_down_at IS NULL))"
        ),
        {"ended": RunState.ENDED.value},
    )


_GUARD = text("SELECT term FROM leader WHERE id = 1 FOR SHARE")
_GUARD_LIGHTLY = text(
    "SELECT term, set_config('synchronous_commit', 'off', true) FROM leader WHERE id = 1 FOR SHARE"
)


def _set_until(session: Session, term: Term, seconds: int) -> None:
    renewed = session.execute(
        text(
            "UPDATE leader SET until = clock_timestamp() + make_interval(secs => :seconds)"
            " WHERE id = 1 AND term = :term RETURNING id"
        ),
        {"seconds": seconds, "term": term.number},
    )
    if renewed.first() is None:
        raise LostLeadershipError(f"term {term.number} is over")
