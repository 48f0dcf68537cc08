"""Steps that wait for others of their group: they have no slot meanwhile, and get one before new steps."""

from __future__ import annotations

import asyncio

from labq.bench.endings import Floor
from labq.bench.stand import Stand
from labq.domain.errors import InfrastructureError


class Resting:
    """Holds that gave their slot back, and want one again."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._waiters: set[asyncio.Future[None]] = set()

    def rest(self, stand: Stand) -> None:
        """Give the slot of the present hold to others."""
        hold = stand.run.gate.hold
        if hold is not None:
            hold.is_resting = True
            self._floor.pump()

    async def resume(self, stand: Stand) -> None:
        """Return once the hold has a slot again; raises InfrastructureError when it is lost."""
        hold = stand.run.gate.hold
        if hold is None or not hold.is_resting:
            return
        hold.is_resting, hold.is_resuming = False, True
        queue = stand.run.plan.steps[hold.step].queue
        while not self._floor.gate.has_room(hold, queue, self._floor.host.limits.of(queue)):
            await self._until_something_changes()
            if stand.run.gate.hold is not hold:
                raise InfrastructureError("the hold was lost while it waited for a slot")
        hold.is_resuming = False
        self._floor.pump()

    def wake(self) -> None:
        """Have all that wait look again."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _until_something_changes(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)
