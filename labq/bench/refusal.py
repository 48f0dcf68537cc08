"""A run that this host cannot begin: ended as failed at once, in place of being sent again for ever."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from labq.bench.host import Host
from labq.benchlink.records import Kind
from labq.domain.errors import ErrorType, Failure, LabqError
from labq.domain.events import StepEnd, StepEnded
from labq.domain.orders import RunOrder

log = logging.getLogger(__name__)


async def refuse(host: Host, order: RunOrder, error: LabqError | OSError) -> None:
    """End the run of an order with the reason; its tombstone drops what is sent for it later.

    A bench that is killed before the tombstone ends the run once more: the server takes one end.
    """
    failure = _failure(order, error)
    log.error("run %s is not begun: %s", order.run, failure.message)
    event = StepEnded(
        run=order.run,
        epoch=order.epoch,
        step=order.next,
        at=datetime.now(UTC),
        end=StepEnd.FAILED,
        next=None,
        failure=failure,
    )
    host.outbox.append(Kind.END, event, {})
    await host.settle()
    host.folder.bury(order.run, order.epoch, "")


def _failure(order: RunOrder, error: LabqError | OSError) -> Failure:
    if isinstance(error, LabqError):
        return error.failure()
    text = f"the folder of run {order.run} cannot be made on its host: {error}"
    return Failure(type=ErrorType.INFRASTRUCTURE, message=text)
