"""Callbacks that are due, as rows: written with the transition, carried out by a task, tried again.

The blocks are those of a definition's `notify` (LAVA's form), stored when the job was submitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from labq.domain.states import DeliveryState, JobState
from labq.models.base import Json
from labq.models.delivery import Delivery
from labq.models.job import Job
from labq.services import transitions
from labq.services.transitions import SYSTEM, By, Work

CALLBACK = "callback"
MOST_ATTEMPTS = 8
FIRST_PAUSE = timedelta(seconds=5)
HANDED_OUT = timedelta(minutes=2)
"""How long a task may take before its delivery is due again; longer than the request's timeout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One request to make: where to, how, and the token that stands in `header`."""

    url: str
    method: str = "GET"
    header: str = "Authorization"
    token: str = ""
    content_type: str = "urlencoded"
    dataset: str = "minimal"


def add_due(session: Session, job: Job, notify: Json | None, now: datetime) -> None:
    """Add the callbacks that the job's present state calls for, and wake the conductor for them."""
    if not notify or not _is_wanted(notify, job):
        return
    due = [
        Delivery(
            job_id=job.id,
            kind=CALLBACK,
            target=target | {"status": job.outcome or job.state},
            state=DeliveryState.PENDING,
            due_at=now,
        )
        for target in _targets(notify)
    ]
    session.add_all(due)
    transitions.tell(session, work=[Work.DELIVERING] if due else [])


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


def load(session: Session, delivery: int) -> tuple[Delivery, Job] | None:
    """Return a delivery that is still to be made, with its job; None when it was made."""
    query = select(Delivery, Job).join(Job, Job.id == Delivery.job_id)
    row = session.execute(query.where(Delivery.id == delivery)).one_or_none()
    return (row[0], row[1]) if row and row[0].state is DeliveryState.PENDING else None


def callback_of(delivery: Delivery) -> Callback:
    """Return the request of a delivery."""
    names = Callback.__dataclass_fields__
    return Callback(**{name: delivery.target[name] for name in names if name in delivery.target})


def note(session: Session, delivery: int, error: str, now: datetime) -> None:
    """Note that a delivery was made (`error` is empty) or that a try failed; then it is due later."""
    for row in transitions.lock(session, Delivery, [delivery]):
        if row.state is not DeliveryState.PENDING:
            return
        row.attempts += 1
        row.last_error = error
        if not error:
            transitions.move_delivery(session, row, DeliveryState.SENT, By(SYSTEM, now))
        elif row.attempts >= MOST_ATTEMPTS:
            by = By(SYSTEM, now, error)
            transitions.move_delivery(session, row, DeliveryState.FAILED, by)
        else:
            row.due_at = now + FIRST_PAUSE * 2 ** (row.attempts - 1)


def _is_wanted(notify: Json, job: Job) -> bool:
    criteria = notify.get("criteria")
    status = criteria.get("status") if isinstance(criteria, Mapping) else None
    if job.state is JobState.RUNNING:
        return status in ("running", "all")
    return status in ("finished", "all", job.outcome)


def _targets(notify: Json) -> Iterator[Json]:
    """Return what is stored of each callback block; other keys of it are for later readers."""
    many = notify.get("callbacks")
    blocks: Sequence[object] = many if isinstance(many, list) else [notify.get("callback")]
    for block in blocks:
        if isinstance(block, Mapping) and isinstance(block.get("url"), str):
            yield {
                "url": block["url"],
                "method": str(block.get("method", "GET")).upper(),
                "header": str(block.get("header", "Authorization")),
                "token": str(block.get("token", "")),
                "content_type": str(block.get("content-type", "urlencoded")),
                "dataset": str(block.get("dataset", "minimal")),
            }
