"""One run with everything it has at work: consoles, power, children, locks, timer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from labq.bench.children import Children, DeviceLock
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
        return cls(run, consoles, RunPower(run, consoles), lock, Children(plan.run, lock))

    async def tear_down(self) -> None:
        """Power off, close, leave nothing; what fails is said in the log."""
        self.children.kill()
        try:
            await self.power.switch("off")
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
