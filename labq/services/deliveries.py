"""Callbacks and mails that are due, as rows: written with the transition, carried out by a task.

They are those of a definition's `notify` (LAVA's form), stored when the job was submitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from labq.domain.states import DeliveryState, JobState, Outcome
from labq.models.base import Json
from labq.models.delivery import Delivery
from labq.models.job import Job
from labq.models.user import User
from labq.services import notify_block, transitions
from labq.services.callback import Moment
from labq.services.notify_block import Callback, Notify, Recipient
from labq.services.transitions import SYSTEM, By, Work

CALLBACK = "callback"
MAIL = "mail"
MESSAGE = "message"
"""A mail whose text stands in its target; that of a job's mail is written when it is sent."""
IRC = "irc"
NO_IRC = "labq does not speak IRC: ask for a mail or a callback"
MOST_ATTEMPTS = 8
FIRST_PAUSE = timedelta(seconds=5)
HANDED_OUT = timedelta(minutes=2)
"""How long a task may take before its delivery is due again; longer than the request's timeout."""
MOST_EARLIER = 500
"""Of the submitter's jobs that are looked through for the one before."""


def add_due(session: Session, job: Job, notify: Json | None, now: datetime) -> None:
    """Add what the job's present state calls for, and wake the conductor for it."""
    if not notify:
        return
    asked = notify_block.read(notify)
    if not asked.wants(job.state, job.outcome):
        return
    if asked.change and not asked.fits(job.outcome, _outcome_before(session, job)):
        return
    add(session, list(_due(session, job, asked, now)))


def add(session: Session, due: list[Delivery]) -> None:
    """Add deliveries, and wake the conductor for them."""
    session.add_all(due)
    transitions.tell(session, work=[Work.DELIVERING] if due else [])


def message(to: str, subject: str, text: str, now: datetime) -> Delivery:
    """Return a mail to one address that is of no job."""
    return Delivery(
        kind=MESSAGE,
        target={"email": to, "subject": subject, "text": text},
        state=DeliveryState.PENDING,
        due_at=now,
    )


def hand_out(session: Session, now: datetime, limit: int = 100) -> list[int]:
    """Return the deliveries that are due, which are due again when their task does not finish."""
    due = (
        select(Delivery.id)
        .where(Delivery.state == DeliveryState.PENDING, Delivery.due_at <= now)
        .order_by(Delivery.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte()
    )
    moved = (
        update(Delivery)
        .where(Delivery.id.in_(select(due.c.id)))
        .values(due_at=now + HANDED_OUT)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    return sorted(session.scalars(moved))


def load(session: Session, delivery: int) -> tuple[Delivery, Job | None] | None:
    """Return a delivery that is still to be made, with its job; None when it was made."""
    query = select(Delivery, Job).outerjoin(Job, Job.id == Delivery.job_id)
    row = session.execute(query.where(Delivery.id == delivery)).one_or_none()
    return (row[0], row[1]) if row and row[0].state is DeliveryState.PENDING else None


def callback_of(delivery: Delivery) -> Callback:
    """Return the request of a delivery."""
    names = Callback.__dataclass_fields__
    return Callback(**{name: delivery.target[name] for name in names if name in delivery.target})


def moment_of(delivery: Delivery, job: Job) -> Moment:
    """Return what the job was when the delivery became due."""
    state, outcome = delivery.target.get("state"), delivery.target.get("outcome")
    if state is None:
        return Moment.of(job)
    return Moment(JobState(state), Outcome(outcome) if outcome else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of a try; `error` is empty when it arrived. A final one is not made again."""

    error: str = ""
    seconds: float = 0.0
    is_final: bool = False


def note(session: Session, delivery: int, attempt: Attempt, now: datetime) -> None:
    """Note that a delivery was made, or that a try failed; then it is due later, or never."""
    for row in transitions.lock(session, Delivery, [delivery]):
        if row.state is not DeliveryState.PENDING:
            return
        row.attempts += 1
        row.last_error = attempt.error
        one = {"at": now.isoformat(), "seconds": round(attempt.seconds, 3), "error": attempt.error}
        row.tries = [*row.tries, one]
        if not attempt.error:
            transitions.move_delivery(session, row, DeliveryState.SENT, By(SYSTEM, now))
        elif attempt.is_final or row.attempts >= MOST_ATTEMPTS:
            by = By(SYSTEM, now, attempt.error)
            transitions.move_delivery(session, row, DeliveryState.FAILED, by)
        else:
            row.due_at = now + FIRST_PAUSE * 2 ** (row.attempts - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TryView:
    """One attempt; `error` is empty for the one that arrived."""

    at: datetime
    seconds: float
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """A notification as people see it: `to` has no credentials, `due_at` is of one that is pending.

    `status` is what the job was when it became due.
    """

    id: int
    kind: str
    to: str
    status: str
    state: DeliveryState
    due_at: datetime | None
    sent_at: datetime | None
    last_error: str
    tries: tuple[TryView, ...]


def find_of_job(session: Session, job: int) -> tuple[DeliveryView, ...]:
    """Return the notifications of a job, the oldest first."""
    query = select(Delivery).where(Delivery.job_id == job).order_by(Delivery.id)
    return tuple(_view(row) for row in session.scalars(query))


def find(session: Session, delivery: int) -> DeliveryView | None:
    """Return one notification."""
    row = session.get(Delivery, delivery)
    return None if row is None else _view(row)


def _due(session: Session, job: Job, asked: Notify, now: datetime) -> Iterator[Delivery]:
    at = {"status": job.outcome or job.state, "state": job.state, "outcome": job.outcome}
    for callback in asked.callbacks:
        names = Callback.__dataclass_fields__
        values = {name: getattr(callback, name) for name in names}
        yield _new(job, CALLBACK, values | at, now)
    style = {
        "verbosity": asked.verbosity,
        "compares": asked.compares,
        "ignored": sorted(asked.ignored),
    }
    recipients = asked.recipients
    if not recipients and not asked.callbacks:
        recipients = (Recipient(method="email", user=_submitter(session, job)),)
    for one in recipients:
        to = {"user": one.user, "email": one.email, "label": one.label}
        row = _new(job, IRC if one.method == IRC else MAIL, to | style | at, now)
        if one.method == IRC:
            row.state, row.last_error = DeliveryState.FAILED, NO_IRC
        yield row


def _new(job: Job, kind: str, target: Json, now: datetime) -> Delivery:
    return Delivery(
        job_id=job.id,
        kind=kind,
        target=target,
        state=DeliveryState.PENDING,
        due_at=now,
    )


def _submitter(session: Session, job: Job) -> str:
    return session.scalars(select(User.name).where(User.id == job.submitter_id)).one()


def _outcome_before(session: Session, job: Job) -> Outcome | None:
    """Return how the submitter's job before this one of the same name and device type ended."""
    earlier = find_before(session, job)
    return earlier.outcome if earlier else None


def find_before(session: Session, job: Job, outcome: Outcome | None = None) -> Job | None:
    """Return the submitter's latest job of the same name and type that ended before, or ended so."""
    # Newest first by the index of the submitter's jobs; a bounded number of them.
    recent = (
        select(Job.id)
        .where(Job.submitter_id == job.submitter_id, -Job.id > -job.id)
        .order_by(-Job.id)
        .limit(MOST_EARLIER)
        .subquery()
    )
    query = (
        select(Job)
        .where(Job.id.in_(select(recent.c.id)), Job.state == JobState.FINISHED)
        .where(Job.name == job.name, Job.device_type == job.device_type)
    )
    if outcome is not None:
        query = query.where(Job.outcome == outcome)
    return session.scalars(query.order_by(-Job.id).limit(1)).one_or_none()


def _view(row: Delivery) -> DeliveryView:
    return DeliveryView(
        id=row.id,
        kind=row.kind,
        to=_shown(row.target),
        status=str(row.target.get("status", "")),
        state=row.state,
        due_at=row.due_at if row.state is DeliveryState.PENDING else None,
        sent_at=row.sent_at,
        last_error=row.last_error,
        tries=tuple(
            TryView(
                at=datetime.fromisoformat(one["at"]), seconds=one["seconds"], error=one["error"]
            )
            for one in row.tries
        ),
    )


def _shown(target: Mapping[str, object]) -> str:
    """Return where a notification goes, without what may be a secret of its URL."""
    if "url" not in target:
        return str(target.get("label") or target.get("email", ""))
    try:
        parts = urlsplit(str(target["url"]))
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        return "an address that is none"
