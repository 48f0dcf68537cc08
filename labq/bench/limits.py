"""The limits of a host's slots as they are now: fixed ones, and those that follow the pressure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from labq.bench.adaptive import Limit, Suffering, Use, adapt, fit, judge
from labq.bench.presets import Values, values
from labq.bench.pressure import Pressure
from labq.bench.strain import strain, without_cpu
from labq.domain.events import SlotReport
from labq.domain.plan import Queue
from labq.domain.presets import ADAPTIVE, HostConfig, Preset

UTILISATION_SECONDS = 60.0
RECENT_SHARE = 0.2
"""The share of the newest step in the mean of how long steps take."""
_NONE = Use(used=0, waiting=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What the machine and its own settings say: a preset, and limits that nothing else changes."""

    cores: int
    preset: Preset
    fixed: Mapping[Queue, int]
    fastboot: int


class Limits:
    """Knows how many steps of each queue may run; `test` and `collect` have no limit.

    The host's own fixed limits go before the server's, the server's preset before the host's own.
    """

    def __init__(self, own: Own, config: HostConfig, *, was_overloaded: bool, now: float) -> None:
        self._own = own
        self._limits: dict[Queue, Limit] = {}
        self._granted_at: dict[Queue, float] = {}
        self._utilisation: dict[Queue, float] = {}
        self._took: dict[Queue, float] = {}
        self._sampled_at = now
        self.suffering = _left_over(now) if was_overloaded else Suffering()
        self.configure(config)
        for queue in ADAPTIVE:
            bounds = self._values.bounds[queue]
            value = bounds.floor if was_overloaded else bounds.start
            self._limits[queue] = Limit(value=value, shrunk_at=now)

    def configure(self, config: HostConfig) -> None:
        """Take up what the server asks for; limits go on from where they are."""
        self.config = config
        self.preset = config.preset or self._own.preset
        self._values = _bounded(values(self.preset, self._own.cores), config)
        for queue, limit in self._limits.items():
            bounds = self._values.bounds[queue]
            # What was fixed has learned nothing: it begins anew.
            was = Limit(value=bounds.start) if self._is_fixed(queue) else limit
            self._limits[queue] = fit(was, bounds)

    @property
    def cores(self) -> int:
        """Return how many physical cores there are to use."""
        return self._own.cores

    @property
    def nice(self) -> int:
        """Return the nice value of emulators and of the programs of steps."""
        return self._values.nice

    @property
    def is_serial(self) -> bool:
        """Tell whether only one job may be at work."""
        return self._values.is_serial

    def of(self, queue: Queue) -> int | None:
        """Return how many steps of the queue may run, None for any number."""
        if queue is Queue.FASTBOOT:
            return self._own.fastboot
        if queue not in self._limits:
            return None
        fixed = self._own.fixed.get(queue) or self.config.limits.get(queue)
        return fixed or self._limits[queue].value

    def pause(self, queue: Queue, now: float) -> float:
        """Return for how many seconds nothing of the queue may start, to keep starts apart."""
        gap = self._gap(queue)
        return max(0.0, self._granted_at.get(queue, -math.inf) + gap - now) if gap else 0.0

    def note_grant(self, queue: Queue, now: float) -> None:
        """Note that a step of the queue starts."""
        self._granted_at[queue] = now

    def note_end(self, queue: Queue, seconds: float) -> None:
        """Note how long a step of the queue took: starts are never kept apart for longer."""
        old = self._took.get(queue, seconds)
        self._took[queue] = old + RECENT_SHARE * (seconds - old)

    def note_sample(self, pressure: Pressure, uses: Mapping[Queue, Use], now: float) -> bool:
        """Adapt to a sample; tell whether a limit, its gap or the overload changed."""
        before = self._state()
        tolerance = self._values.tolerance
        full, lenient = strain(pressure, tolerance), strain(pressure, without_cpu(tolerance))
        self.suffering = judge(self.suffering, full, now=now)
        for queue, limit in self._limits.items():
            if self._is_fixed(queue):
                continue
            found = lenient if queue is Queue.DOWNLOAD else full
            use = uses.get(queue, _NONE)
            changed = adapt(limit, self._values.bounds[queue], found, use, now=now)
            longest = min(self._values.most_gap, self._took.get(queue, 0.0))
            self._limits[queue] = replace(changed, gap=min(changed.gap, longest))
        self._note_use(uses, now)
        return self._state() != before

    def suspicion(self, since: float) -> str:
        """Return how the host suffered since a moment, empty when it did not."""
        last = self.suffering.last_at
        if last is None or last < since:
            return ""
        return f"the host was overloaded: {self.suffering.reason}"

    def reports(self, uses: Mapping[Queue, Use]) -> dict[str, SlotReport]:
        """Return all limited queues for the report."""
        found = {}
        for queue in (Queue.FASTBOOT, Queue.BOOT, Queue.DEPLOY, Queue.DOWNLOAD):
            use = uses.get(queue, _NONE)
            found[queue.value] = SlotReport(
                limit=self.of(queue) or 0,
                used=use.used,
                waiting=use.waiting,
                reason=self.reason(queue),
                gap_ms=round(self._gap(queue) * 1000),
                utilisation=round(self._utilisation.get(queue, 0.0), 3),
            )
        return found

    def reason(self, queue: Queue) -> str:
        """Return why the limit of the queue is what it is."""
        if queue is Queue.FASTBOOT:
            return "one a physical core"
        if queue in self._own.fixed:
            return f"fixed by LABQ_{queue.name}_SLOTS on the host"
        if queue in self.config.limits:
            return "fixed by the server"
        return self._limits[queue].reason

    def _gap(self, queue: Queue) -> float:
        is_free = queue not in self._limits or self._is_fixed(queue)
        return 0.0 if is_free else self._limits[queue].gap

    def _is_fixed(self, queue: Queue) -> bool:
        return queue in self._own.fixed or queue in self.config.limits

    def _state(self) -> tuple[object, ...]:
        values = tuple((limit.value, limit.gap) for limit in self._limits.values())
        return (self.suffering.is_overloaded, *values)

    def _note_use(self, uses: Mapping[Queue, Use], now: float) -> None:
        weight = 1.0 - math.exp(-max(0.0, now - self._sampled_at) / UTILISATION_SECONDS)
        self._sampled_at = now
        for queue, use in uses.items():
            limit = self.of(queue)
            if limit:
                share = min(1.0, use.used / limit)
                old = self._utilisation.get(queue, 0.0)
                self._utilisation[queue] = old + weight * (share - old)


def _left_over(now: float) -> Suffering:
    """Return the state after an overload that the bench before this one saw."""
    reason = "it was when the bench was restarted"
    return Suffering(is_overloaded=True, reason=reason, last_at=now)


def _bounded(found: Values, config: HostConfig) -> Values:
    """Return the preset's values below the ceilings of the configuration."""
    bounds = dict(found.bounds)
    for queue, ceiling in config.ceilings.items():
        old = bounds[queue]
        floor, start = min(old.floor, ceiling), min(old.start, ceiling)
        bounds[queue] = replace(old, floor=floor, start=start, ceiling=ceiling)
    return replace(found, bounds=bounds)
