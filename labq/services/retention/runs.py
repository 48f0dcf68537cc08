"""Runs of retention: at most one is open, and one process at a time works at it for a while.

Every transaction of its work begins with `guard`, so that a process that was paused for too long
changes nothing after another one has taken over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError, LabqError, NotFoundError
from labq.models.control import Audit
from labq.models.retention import RetentionRun, RetentionState
from labq.services.paging import Page, decode_id, page_of

HELD = timedelta(seconds=60)
"""How long nobody takes over from a process that says nothing."""
IDLE = timedelta(hours=6)
"""Between the end of a run and the beginning of the next."""
HANDED_OUT = timedelta(minutes=2)
"""How long a task may take to begin before it is sent again."""
PUT_OFF = timedelta(minutes=5)


class LostRunError(LabqError):
    """Another process works at the run, or policies have changed: nothing of this may be kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run: who asked for it, who works at it now (empty: nobody), how far it is, what it did."""

    id: int
    asked_by: str
    began_at: datetime
    ended_at: datetime | None
    holder: str
    cursor: date | None
    step: str
    jobs: int
    parts: int
    bundles: int
    bytes: int
    error: str


@dataclass(frozen=True, slots=True)
class Hold:
    """The right of one process to work at a run, with the policies of one revision."""

    run: int
    holder: str
    revision: int


def ask(session: Session, asked_by: str, now: datetime) -> RunView:
    """Begin a run; it is worked at within seconds. Raises ConflictError while one is open."""
    row = {"asked_by": asked_by, "began_at": now, "held_until": now}
    made = session.scalar(
        insert(RetentionRun).values(row).on_conflict_do_nothing().returning(RetentionRun.id)
    )
    if made is None:
        raise ConflictError(_busy(find_open(session)))
    _set_due(session, now)
    return find(session, made)


def hand_out(session: Session, now: datetime) -> bool:
    """Tell whether a step is due now; it is due again when its task does not report."""
    moved = (
        update(RetentionState)
        .where(RetentionState.due_at <= now)
        .values(due_at=now + HANDED_OUT)
        .returning(RetentionState.id)
    )
    return session.scalar(moved) is not None


def put_off(session: Session, now: datetime) -> None:
    """Look again in some minutes: it is not the time of the day."""
    _set_due(session, now + PUT_OFF)


def take(session: Session, holder: str, asked_by: str) -> Hold:
    """Take the open run, or begin one; raises ConflictError that names who works at it now."""
    session.execute(
        insert(RetentionRun)
        .values(asked_by=asked_by, began_at=func.now(), held_until=func.now())
        .on_conflict_do_nothing()
    )
    taken = session.scalar(
        update(RetentionRun)
        .where(
            RetentionRun.ended_at.is_(None),
            RetentionRun.held_until <= func.clock_timestamp(),
        )
        .values(holder=holder, held_until=_later())
        .returning(RetentionRun.id)
    )
    if taken is None:
        raise ConflictError(_busy(find_open(session)))
    return Hold(taken, holder, session.scalar(select(RetentionState.revision)) or 0)


def guard(session: Session, hold: Hold, step: str | None = None) -> None:
    """Hold the run and the policies until the transaction ends; the first thing in each one.

    Raises LostRunError when somebody else holds the run, or other policies are in force.
    """
    values: dict[str, object] = {"held_until": _later()}
    if step is not None:
        values["step"] = step
    held = session.scalar(
        update(RetentionRun)
        .where(
            RetentionRun.id == hold.run,
            RetentionRun.holder == hold.holder,
            RetentionRun.ended_at.is_(None),
        )
        .values(values)
        .returning(RetentionRun.id)
    )
    if held is None:
        raise LostRunError(f"retention run {hold.run} is not held by {hold.holder} any more")
    revision = session.scalar(select(RetentionState.revision).with_for_update(read=True))
    if (revision or 0) != hold.revision:
        raise LostRunError("retention policies have changed")


def keep(session: Session, hold: Hold) -> None:
    """Hold on to the run if it is still held."""
    session.execute(
        update(RetentionRun)
        .where(RetentionRun.id == hold.run, RetentionRun.holder == hold.holder)
        .values(held_until=_later())
    )


def add(session: Session, hold: Hold, **done: int) -> None:
    """Add to what the run has done: jobs, parts, bundles, bytes."""
    values = {name: getattr(RetentionRun, name) + count for name, count in done.items()}
    session.execute(update(RetentionRun).where(RetentionRun.id == hold.run).values(values))


def point(session: Session, hold: Hold, day: date) -> None:
    """Note the day that the run is at."""
    session.execute(update(RetentionRun).where(RetentionRun.id == hold.run).values(cursor=day))


def release(session: Session, hold: Hold, *, due_at: datetime, error: str = "") -> None:
    """Let go of a run that is not over; it goes on at `due_at`."""
    session.execute(
        update(RetentionRun)
        .where(RetentionRun.id == hold.run, RetentionRun.holder == hold.holder)
        .values(holder="", held_until=func.clock_timestamp(), error=error)
    )
    _set_due(session, due_at)


def end(session: Session, hold: Hold, now: datetime) -> None:
    """End the run, with its audit row; the next one is due some hours later."""
    guard(session, hold, "")
    run = session.get_one(RetentionRun, hold.run, populate_existing=True)
    run.ended_at, run.holder, run.error = now, "", ""
    row = Audit(
        at=now,
        actor=run.asked_by,
        subject="retention run",
        subject_id=str(run.id),
        before="running",
        after="ended",
        reason=f"{run.jobs} jobs, {run.parts} parts of jobs, {run.bytes} bytes removed; "
        f"{run.bundles} bundles written",
    )
    session.add(row)
    _set_due(session, now + IDLE)


def find(session: Session, run_id: int) -> RunView:
    """Return a run; raises NotFoundError."""
    run = session.get(RetentionRun, run_id, populate_existing=True)
    if run is None:
        raise NotFoundError(f"there is no retention run {run_id}")
    return _view(run)


def find_open(session: Session) -> RunView | None:
    """Return the run that is not over, if there is one."""
    run = session.scalar(select(RetentionRun).where(RetentionRun.ended_at.is_(None)))
    return _view(run) if run else None


def find_page(session: Session, *, after: str | None = None, limit: int = 25) -> Page[RunView]:
    """Return runs, the newest first."""
    query = select(RetentionRun).order_by(RetentionRun.id.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(RetentionRun.id < decode_id(after))
    return page_of([_view(run) for run in session.scalars(query)], limit, lambda run: run.id)


def _later() -> object:
    return text(f"clock_timestamp() + interval '{HELD.total_seconds():.0f} s'")


def _set_due(session: Session, due_at: datetime) -> None:
    row = {"id": 1, "revision": 0, "due_at": due_at}
    stored = insert(RetentionState).values(row)
    session.execute(stored.on_conflict_do_update(index_elements=["id"], set_={"due_at": due_at}))


def _busy(run: RunView | None) -> str:
    if run is None:
        return "a retention run has just ended: try again"
    who = f"{run.holder} works at it" if run.holder else "it goes on by itself"
    step = f", {run.step}" if run.step else ""
    return (
        f"retention run {run.id}, asked for by {run.asked_by} at "
        f"{run.began_at:%Y-%m-%d %H:%M:%S} UTC, is not over: {who}{step}"
    )


def _view(run: RetentionRun) -> RunView:
    return RunView(
        id=run.id,
        asked_by=run.asked_by,
        began_at=run.began_at,
        ended_at=run.ended_at,
        holder=run.holder,
        cursor=run.cursor,
        step=run.step,
        jobs=run.jobs,
        parts=run.parts,
        bundles=run.bundles,
        bytes=run.bytes,
        error=run.error,
    )
