"""One run with everything it has at work: consoles, power, children, locks, timer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from labq.bench.children import Children, DeviceLock
from labq.bench.claims import BusyError, Claims
from labq.bench.consoles import Consoles
from labq.bench.host import Host
from labq.bench.nice import NiceSpawner
from labq.bench.power import RunPower
from labq.bench.run import BenchRun
from labq.domain.errors import LabqError
from labq.domain.verdicts import Level


@dataclass(slots=True)
class Stand:
    """A run at work on this host."""

    run: BenchRun
    consoles: Consoles
    power: RunPower
    lock: DeviceLock
    children: Children
    claims: Claims
    timer: asyncio.TimerHandle | None = None
    stored: int = 0
    """Bytes of the log that the server has."""

    @classmethod
    def of(cls, run: BenchRun, host: Host) -> Stand:
        """Put a run's parts together."""
        plan = run.plan
        tftp = host.folder.tftp_of(plan.device)
        spawner = NiceSpawner(host.keeper, lambda: host.limits.nice)
        consoles = Consoles(run, host.keeper, tftp, spawner)
        lock = DeviceLock(host.folder.path / "locks", (plan.device, *plan.locks))
        claims = Claims(run, host.keeper, host.settings)
        children = Children(plan.run, lock)
        return cls(run, consoles, RunPower(run, consoles), lock, children, claims)

    async def claim(self) -> None:
        """Have the board for this run alone on this machine; raises InfrastructureError.

        What cleans up does not wait for a board that another labq has, and leaves it alone.
        """
        hold = self.run.gate.hold
        is_last = self.run.step == self.run.plan.collect
        await self.claims.take(lambda: self.run.gate.hold is hold, 0.0 if is_last else None)

    async def switch(self, what: str, name: str) -> None:
        """Switch power once the board is this run's; one that is another labq's stays as it is."""
        try:
            await self.claim()
        except BusyError as error:
            if self.run.step != self.run.plan.collect:
                raise
            self.run.say(Level.WARNING, f"power stays as it is: {error}")
            return
        await self.power.switch(what, name)

    async def tear_down(self) -> None:
        """Power off, close, leave nothing; what fails is said in the log."""
        self.children.kill()
        try:
            await self.switch("off", "")
        except LabqError as error:
            self.run.say(Level.ERROR, f"power off failed: {error}")
        await self.close()

    async def close(self) -> None:
        """Close all consoles and end the emulator."""
        try:
            await self.consoles.close_all()
        except LabqError as error:
            self.run.say(Level.ERROR, f"consoles cannot be closed: {error}")

    def stop_timer(self) -> None:
        """Forget the deadline of the hold."""
        if self.timer:
            self.timer.cancel()
            self.timer = None
