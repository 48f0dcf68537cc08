"""The gate: which run holds which step at which epoch. A pure state machine: no I/O, no clock.

The rules are those of docs/architecture.md, "The gate". What changes a run for good goes through
the `apply_*` methods of `RunGate`, live and when the journal is read after a restart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from labq.bench.adaptive import Use
from labq.domain.events import HoldState, RunReport
from labq.domain.plan import Plan, Queue

MOST_LOST = 3
MOST_TURNED_AWAY = 5


@dataclass(slots=True)
class Hold:
    """A granted step. `connection` is None while nobody has taken it back after a restart."""

    token: str
    epoch: int
    step: int
    connection: int | None
    cpus: tuple[int, ...] = ()
    """The core that the step owns, by its logical CPUs; empty for steps that own none."""
    is_resting: bool = False
    """It waits for others, without a slot."""
    is_resuming: bool = False
    """It waits for a slot, to go on: nobody is granted that one before it."""


@dataclass(frozen=True, slots=True)
class Waiter:
    """A worker that waits for the grant."""

    connection: int
    epoch: int
    step: int
    since: float


@dataclass(slots=True)
class RunGate:
    """One run that has not ended. `lost` counts the begins of each step without an end."""

    run: int
    plan: Plan
    epoch: int
    next: int
    idle_since: float
    lost: dict[int, int] = field(default_factory=dict)
    hold: Hold | None = None
    waiter: Waiter | None = None
    handing: int | None = None
    is_closed: bool = False
    is_busy: bool = False
    """The bench itself works at the run: it tears it down, or writes its end."""
    back: int | None = None
    """The step that the run must go back to, at a higher epoch: consoles or files are lost."""
    turned_away: int = 0
    heard: int | None = None
    """The number of the last message of its group up to which the run has all."""

    def apply_epoch(self, epoch: int, following: int) -> Hold | None:
        """Go to a higher epoch; return the hold that this fences."""
        fenced, self.hold = self.hold, None
        if fenced:
            self.lost[fenced.step] -= 1
        self.epoch, self.next = epoch, following
        self.back = None
        return fenced

    def apply_begin(self, token: str, step: int, connection: int | None) -> int:
        """Grant the step; return how many begins it has had without an end."""
        self.next = step
        self.lost[step] = self.lost.get(step, 0) + 1
        self.hold = Hold(token, self.epoch, step, connection)
        return self.lost[step]

    def apply_lost(self) -> None:
        """Take the hold away; its begin stays counted."""
        self.hold = None

    def apply_end(self, step: int, following: int | None) -> None:
        """End the step; None closes the run."""
        self.hold = None
        self.lost.pop(step, None)
        self.is_closed = following is None
        self.next = step if following is None else following

    @property
    def state(self) -> HoldState:
        """Return where the run stands, for the report."""
        if self.hold or self.is_busy:
            return HoldState.HELD
        if self.waiter:
            return HoldState.WAITING
        is_handing = self.handing is not None or self.is_closed
        return HoldState.HANDING if is_handing else HoldState.IDLE

    @property
    def keeps_dying(self) -> bool:
        """Tell whether the next step has been lost too often to be granted again."""
        return self.hold is None and self.lost.get(self.next, 0) >= MOST_LOST

    def following(self, step: int, *, is_failed: bool) -> int | None:
        """Return the step after this one, None when it closes the run."""
        collect = self.plan.collect
        if step >= collect:
            return None
        return collect if is_failed else step + 1

    def judge(self, epoch: int, step: int) -> str:
        """Return why a message is to be dropped, empty when it may wait for its grant."""
        if self.is_closed:
            return "the run has ended"
        if epoch < self.epoch:
            return f"epoch {epoch} is over; the run is at {self.epoch}"
        if not 0 <= step <= self.plan.collect:
            return f"the plan has no step {step}"
        if epoch == self.epoch and step != self.next:
            return f"step {step} is not the next one; that is {self.next}"
        if epoch == self.epoch and self.back is not None:
            return f"what it needs is lost: the run goes back to step {self.back}"
        return ""

    def turn_away(self) -> None:
        """Count a message for a step that cannot begin; a server that knows no way back ends this."""
        self.turned_away += 1
        if self.turned_away >= MOST_TURNED_AWAY:
            self.back = None


class Gate:
    """All runs of a host that have not ended, and the workers that wait for unknown ones."""

    def __init__(self) -> None:
        self.runs: dict[int, RunGate] = {}
        self._strangers: dict[int, tuple[int, Waiter]] = {}

    def announce(self, gate: RunGate) -> list[Waiter]:
        """Add a run; return the workers that came before its order, to be registered now."""
        self.runs[gate.run] = gate
        early = [waiter for run, waiter in self._strangers.values() if run == gate.run]
        for waiter in early:
            del self._strangers[waiter.connection]
        return early

    def forget(self, run: int) -> None:
        """Take a run out that has ended."""
        del self.runs[run]

    def register(self, run: int, waiter: Waiter) -> str:
        """Let a worker wait; return why it is dropped instead, empty when it waits.

        A higher epoch has to be applied to the run before.
        """
        gate = self.runs.get(run)
        if gate is None:
            self._strangers[waiter.connection] = (run, waiter)
            return ""
        reason = gate.judge(waiter.epoch, waiter.step)
        if reason and gate.back is not None:
            gate.turn_away()
        if not reason and gate.waiter:
            reason = f"step {waiter.step} is waited for already"
        if not reason:
            gate.waiter = waiter
        return reason

    def stale(self) -> Iterator[tuple[RunGate, Waiter, str]]:
        """Yield the waiters that have to be dropped, out of their seats."""
        for gate in self.runs.values():
            waiter = gate.waiter
            if waiter and (reason := gate.judge(waiter.epoch, waiter.step)):
                gate.waiter = None
                yield gate, waiter, reason

    def waiting(self) -> list[RunGate]:
        """Return the runs that wait and hold nothing: by priority, then by the time they came."""
        ready = [
            (-gate.plan.priority, gate.waiter.since, gate.run, gate)
            for gate in self.runs.values()
            if gate.waiter and not gate.hold and not gate.is_busy and not gate.keeps_dying
        ]
        return [gate for *_, gate in sorted(ready, key=lambda item: item[:3])]

    def leave(self, connection: int, now: float) -> RunGate | None:
        """Note that a connection closed; return the run whose hold is lost by that."""
        self._strangers.pop(connection, None)
        for gate in self.runs.values():
            if gate.waiter and gate.waiter.connection == connection:
                gate.waiter, gate.idle_since = None, now
            if gate.handing == connection:
                gate.handing, gate.idle_since = None, now
            if gate.hold and gate.hold.connection == connection:
                return gate
        return None

    def used(self) -> Counter[Queue]:
        """Return how many holds each queue has."""
        return Counter(
            gate.plan.steps[gate.hold.step].queue
            for gate in self.runs.values()
            if gate.hold and not gate.hold.is_resting
        )

    def has_room(self, hold: Hold, queue: Queue, limit: int | None) -> bool:
        """Tell whether a hold that resumes may have a slot: of `limit` for all that do not wait."""
        at_work = [
            gate
            for gate in self.runs.values()
            if gate.hold
            and gate.hold is not hold
            and gate.plan.steps[gate.hold.step].queue is queue
            and not (gate.hold.is_resting or gate.hold.is_resuming)
        ]
        return limit is None or len(at_work) < limit

    def uses(self) -> Mapping[Queue, Use]:
        """Return how many steps of each queue are held and waited for."""
        used = self.used()
        waiting = Counter(gate.plan.steps[gate.next].queue for gate in self.waiting())
        return {queue: Use(used[queue], waiting[queue]) for queue in Queue}

    def reports(self, now: float, untold: Collection[int] = ()) -> tuple[RunReport, ...]:
        """Return where all runs stand; of ended ones those of which the end is `untold`.

        A run that is missing is taken for lost, which one is not whose end is on its way to the disk.
        """
        return tuple(
            _report(gate, now)
            for gate in self.runs.values()
            if not gate.is_closed or gate.run in untold
        )


def _report(gate: RunGate, now: float) -> RunReport:
    idle = now - gate.idle_since if gate.state is HoldState.IDLE else 0.0
    return RunReport(
        run=gate.run,
        epoch=gate.epoch,
        next=gate.next,
        state=gate.state,
        idle_ms=max(0, int(idle * 1000)),
        back=gate.back,
        heard=gate.heard,
    )
