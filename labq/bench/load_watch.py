"""Looks at the machine every second or two: adapts the limits, tells waiting jobs, marks overload."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from labq.bench.adaptive import Use
from labq.bench.bench import Bench
from labq.bench.kept_limits import note_overload
from labq.bench.pressure import Meter, Pressure
from labq.bench.slots import usable_cpus
from labq.bench.waits import WaitLines
from labq.domain.deadline import monotonic
from labq.domain.events import LoadReport
from labq.domain.plan import Queue
from labq.hw.machine import is_virtual, machine_digest

BUSY_SECONDS = 1.0
IDLE_SECONDS = 2.0

log = logging.getLogger(__name__)


class LoadWatch:
    """Samples for one bench. A sample takes well under a millisecond, so it is done in the loop."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._limits = bench.host.limits
        self._meter = Meter(usable_cpus(), monotonic())
        self._pressure = Pressure(has_stalls=self._meter.has_stalls)
        self._waits = WaitLines()
        self._is_virtual, self._machine = is_virtual(), machine_digest()
        if not self._meter.has_stalls:
            log.warning(
                "this kernel has no pressure figures (PSI): limits follow the load alone; "
                "boot with psi=1"
            )

    async def run(self) -> None:
        """Sample for ever."""
        while True:
            await asyncio.sleep(BUSY_SECONDS if self._bench.gate.runs else IDLE_SECONDS)
            self._look()

    def report(self) -> LoadReport:
        """Return the last sample for the report."""
        pressure, suffering = self._pressure, self._limits.suffering
        stalls = pressure.has_stalls
        return LoadReport(
            preset=self._limits.preset,
            cores=self._limits.cores,
            is_virtual=self._is_virtual,
            machine=self._machine,
            cpu=pressure.cpu if stalls else None,
            io=pressure.io if stalls else None,
            memory=pressure.memory if stalls else None,
            swap=round(pressure.swap, 1),
            runnable=pressure.runnable,
            load=pressure.load,
            is_overloaded=suffering.is_overloaded,
            reason=suffering.reason if suffering.is_overloaded else "",
        )

    def _look(self) -> None:
        now, gate = monotonic(), self._bench.gate
        self._pressure = self._meter.sample(now)
        was_overloaded = self._limits.suffering.is_overloaded
        if self._limits.note_sample(self._pressure, self._uses(), now):
            self._bench.pump()
        if self._limits.suffering.is_overloaded != was_overloaded:
            self._tell(is_overloaded=not was_overloaded)
        if gate.runs:
            self._waits.tell(self._bench, now)

    def _uses(self) -> Mapping[Queue, Use]:
        return self._bench.gate.uses()

    def _tell(self, *, is_overloaded: bool) -> None:
        try:
            note_overload(self._bench.host.folder.path, is_overloaded=is_overloaded)
        except OSError as error:
            log.warning("the next bench will not know of the overload: %s", error)
        if is_overloaded:
            log.warning("this host is overloaded: %s", self._limits.suffering.reason)
        else:
            log.info("this host is no longer overloaded")
