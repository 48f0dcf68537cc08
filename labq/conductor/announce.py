"""Sends runs to their hosts after the commit that decided it: the order first, then the chain.

A run is announced when the order's id stands in `run.sent`; until then whoever leads sends it
again. Sending twice is harmless: hosts drop what they have.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import redis
from kombu.exceptions import OperationalError as PublishError
from redis.exceptions import ResponseError
from sqlalchemy import ARRAY, BigInteger, Integer, Text, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from labq import queue
from labq.conductor.lead import Lead
from labq.conductor.link import mend, send_orders
from labq.domain import protocol
from labq.domain.orders import RunOrder
from labq.domain.plan import Queue, StepKind
from labq.domain.states import RunState
from labq.models.device import Device
from labq.models.run import IS_AWAITED, Run, RunPlan, Step
from labq.services.scheduling import Planned

MOST_AT_ONCE = 50
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Announcement:
    """A run to send: its order, and the steps from the next one on."""

    host: str
    order: RunOrder
    steps: tuple[tuple[int, StepKind, Queue], ...]


def of_planned(planned: Planned) -> Announcement:
    """Return the first announcement of a new run."""
    plan = planned.plan
    order = RunOrder(
        run=plan.run,
        epoch=1,
        next=0,
        device=plan.device,
        digest=planned.digest,
        plan=planned.text,
        protocol=protocol.PROTOCOL,
        oldest_protocol=protocol.OLDEST,
    )
    steps = tuple((step.index, step.kind, step.queue) for step in plan.steps)
    return Announcement(plan.host, order, steps)


def read_unsent(session: Session) -> list[Announcement]:
    """Return runs that are decided but were not sent, the oldest first."""
    query = (
        select(Run, Device.name, RunPlan.digest, RunPlan.plan)
        .join(Device, Device.id == Run.device_id)
        .join(RunPlan, RunPlan.run_id == Run.id)
        .where(Run.sent.is_(None), or_(Run.state != RunState.ENDED, IS_AWAITED))
        .order_by(Run.id)
        .limit(MOST_AT_ONCE)
    )
    rows = session.execute(query).all()
    tails: dict[int, list[tuple[int, StepKind, Queue]]] = {run.id: [] for run, *_ in rows}
    steps = select(Step.run_id, Step.position, Step.kind, Step.queue).where(Step.run_id.in_(tails))
    for run_id, position, kind, queue_kind in session.execute(
        steps.order_by(Step.run_id, Step.position)
    ):
        tails[run_id].append((position, kind, queue_kind))
    return [
        Announcement(
            run.host,
            RunOrder(
                run=run.id,
                epoch=run.epoch,
                next=run.next,
                device=device,
                digest=digest,
                plan=plan,
                reason=run.sent_reason,
                protocol=protocol.PROTOCOL,
                oldest_protocol=protocol.OLDEST,
            ),
            tuple(step for step in tails[run.id] if step[0] >= run.next),
        )
        for run, device, digest, plan in rows
    ]


def announce(lead: Lead, client: redis.Redis, announcements: Sequence[Announcement]) -> None:
    """Send orders and chains, then note the orders' ids."""
    if not announcements:
        return
    ids = send_orders(client, [(one.host, one.order) for one in announcements])
    for one in announcements:
        _publish(client, one)
    with lead.transaction("sent", is_light=True) as session:
        _note_sent(session, [one.order for one in announcements], ids)


def _publish(client: redis.Redis, one: Announcement) -> None:
    """Send a chain; where a host has spoilt its own queue, others do not wait for that."""
    try:
        queue.publish_chain(one.host, one.order.run, one.order.epoch, one.steps)
    except (PublishError, ResponseError) as error:
        wrong = mend(client, one.host)
        if not wrong:
            raise
        log.error("host %s had spoilt %s: %s", one.host, ", ".join(wrong), error)  # noqa: TRY400


def _note_sent(session: Session, orders: Sequence[RunOrder], ids: Sequence[str]) -> None:
    """Store the ids of orders, but not where the run was decided anew meanwhile."""
    session.execute(
        update(Run)
        .where(Run.id == _SENT.c.run, Run.epoch == _SENT.c.epoch, Run.next == _SENT.c.next)
        .where(Run.sent.is_(None))
        .values(sent=_SENT.c.sent)
        .execution_options(synchronize_session=False),
        {
            "runs": [order.run for order in orders],
            "epochs": [order.epoch for order in orders],
            "nexts": [order.next for order in orders],
            "sents": list(ids),
        },
    )


_SENT = (
    func.unnest(
        bindparam("runs", type_=ARRAY(BigInteger)),
        bindparam("epochs", type_=ARRAY(Integer)),
        bindparam("nexts", type_=ARRAY(Integer)),
        bindparam("sents", type_=ARRAY(Text)),
    )
    .table_valued("run", "epoch", "next", "sent", name="sending")
    .render_derived()
)
