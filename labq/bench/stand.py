"""One run with everything it has at work: consoles, power, children, locks, timer."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass

from labq.bench.children import Children, DeviceLock
from labq.bench.claims import BusyError, Claims
from labq.bench.consoles import Consoles
from labq.bench.faults import Faults
from labq.bench.host import Host
from labq.bench.nice import NiceSpawner
from labq.bench.power import RunPower
from labq.bench.run import BenchRun
from labq.domain.errors import InfrastructureError, LabqError
from labq.domain.verdicts import Level

OFF_TRIES = 3
OFF_PAUSE_SECONDS = 0.5


@dataclass(slots=True)
class Stand:
    """A run at work on this host."""

    run: BenchRun
    consoles: Consoles
    power: RunPower
    lock: DeviceLock
    children: Children
    claims: Claims
    faults: Faults
    timer: asyncio.TimerHandle | None = None
    stored: int = 0
    """Bytes of the log that the server has."""

    @classmethod
    def of(cls, run: BenchRun, host: Host) -> Stand:
        """Put a run's parts together."""
        plan = run.plan
        tftp = host.folder.tftp_of(plan.device)
        spawner = NiceSpawner(host.keeper, lambda: host.limits.nice)
        faults = Faults(run.folder)
        consoles = Consoles(run, host.keeper, tftp=tftp, spawner=spawner, faults=faults)
        lock = DeviceLock(host.folder.path / "locks", (plan.device, *plan.locks))
        claims = Claims(run, host.keeper, host.settings)
        children = Children(plan.run, lock)
        power = RunPower(run, consoles)
        return cls(run, consoles, power, lock, children, claims, faults)

    async def claim(self) -> None:
        """Have the board for this run alone on this machine; raises InfrastructureError.

        What cleans up does not wait for a board that another labq has, and leaves it alone.
        """
        hold = self.run.gate.hold
        is_last = self.run.step == self.run.plan.collect
        await self.claims.take(lambda: self.run.gate.hold is hold, 0.0 if is_last else None)

    async def open(self, channel: str) -> None:
        """Open a console of the board; one that does not answer is a fault of the board."""
        await self.claim()
        with self.faults.watching(f"console {channel}"):
            await self.consoles.open(channel)

    async def switch(self, what: str, name: str) -> None:
        """Switch power once the board is this run's; one that is another labq's stays as it is.

        What switches by command must work: a failure is a fault of the board, and so is a board
        that does not go off. In the clean-up it is tried several times.
        """
        is_last = self.run.step == self.run.plan.collect
        try:
            await self.claim()
        except BusyError as error:
            if not is_last:
                raise
            self.run.say(Level.WARNING, f"power stays as it is: {error}")
            return
        tries = OFF_TRIES if is_last and what == "off" else 1
        while True:
            try:
                await self._switch(what, name)
            except InfrastructureError as error:
                tries -= 1
                if not tries:
                    raise
                self.run.say(Level.WARNING, f"power off is tried again: {error}")
                await asyncio.sleep(OFF_PAUSE_SECONDS)
            else:
                return

    async def _switch(self, what: str, name: str) -> None:
        kind = self.run.plan.power.kind
        is_telling = kind == "command" or (kind == "emulator" and what == "off")
        watching = self.faults.watching("power") if is_telling and what != "run" else nullcontext()
        with watching:
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
