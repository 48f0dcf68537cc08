"""What a host tells the server: durable events with a gapless sequence, and reports without one.

Sources of the rules: docs/architecture.md, "The gate".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from labq.domain.errors import Failure
from labq.domain.verdicts import Verdict


class StepEnd(StrEnum):
    """How a step ended on its host."""

    DONE = "done"
    FAILED = "failed"


class HoldState(StrEnum):
    """Where a run stands on its host, in a report."""

    WAITING = "waiting"
    HELD = "held"
    HANDING = "handing"
    IDLE = "idle"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBegan:
    """A step was granted. `waited_ms` is the time it waited for a slot."""

    run: int
    epoch: int
    step: int
    at: datetime
    waited_ms: int
    begins: int
    kind: Literal["began"] = "began"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnded:
    """A step is over. `next` is the step that follows, None when this end closes the run.

    `host_fault`: the failure is the host's (it was stopped, or suffers) and not the device's.
    `suspect` says how the host suffered while the step failed, empty when it did not.
    `device_fault`, with the end that closes the run: why the device has to be taken out of use.
    """

    run: int
    epoch: int
    step: int
    at: datetime
    end: StepEnd
    next: int | None
    failure: Failure | None = None
    host_fault: bool = False
    suspect: str = ""
    device_fault: str = ""
    kind: Literal["ended"] = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultReported:
    """A test case. Its identity is (run, step, channel, offset) within an epoch."""

    run: int
    epoch: int
    step: int
    at: datetime
    channel: str
    offset: int
    line: int
    suite: str
    case: str
    verdict: Verdict
    measurement: Decimal | None = None
    units: str = ""
    test_set: str | None = None
    start_line: int | None = None
    end_line: int | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    kind: Literal["result"] = "result"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent:
    """A member of a group tells the others something: `sort` is `send`, or `start` for guests.

    `name` is the message's id, or the role whose guests may begin. `offset` is its place in the
    run's journal.
    """

    run: int
    epoch: int
    step: int
    at: datetime
    offset: int
    sort: Literal["send", "start"]
    name: str
    data: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["message"] = "message"


Event = StepBegan | StepEnded | ResultReported | MessageSent


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBatch:
    """Consecutive durable events of one host, the first with sequence `first`."""

    first: int
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One run in a report. `idle_ms`: how long nothing was held, waiting or handing.

    `back` is the step that the run must go back to, at a higher epoch, because its consoles are
    lost; without it the next step can begin. `heard` is the number of the last message of its group
    up to which it has all, None for a run without a group.
    """

    run: int
    epoch: int
    next: int
    state: HoldState
    idle_ms: int = 0
    back: int | None = None
    heard: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotReport:
    """One kind of slots: how many may be used, are used, and are waited for.

    `reason` says why the limit is what it is, `gap_ms` how long starts are kept apart. `utilisation`
    is the share (0 to 1) of the slots that was used in the last minute.
    """

    limit: int
    used: int
    waiting: int
    reason: str = ""
    gap_ms: int = 0
    utilisation: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitReport:
    """A run that waits for a slot, with so many others before it; `reason` says for what."""

    run: int
    queue: str
    ahead: int
    waited_ms: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What the host's machine is and how hard it is pressed.

    `cpu`, `io`, `memory`: share of the time (0 to 1) in which some task waited for it, None where
    the kernel does not tell. `swap`: pages a second; `runnable` and `load`: tasks for each CPU.
    `machine` is the same for all that runs under one kernel.
    """

    preset: str
    cores: int
    is_virtual: bool
    machine: str
    cpu: float | None
    io: float | None
    memory: float | None
    swap: float
    runnable: float
    load: float
    is_overloaded: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReport:
    """A process of the host's supervisor: how often it was started again, why the last time."""

    name: str
    is_running: bool
    restarts: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The bench's view of its host, sent on change and every 5 s; never stored, never sequenced.

    It is judged only when the server has applied events up to `sequence`, and only when
    `generation` is the current one. `order` is the id of the last order read (stream id), `config`
    the revision of the last configuration taken up. `protocol` and `oldest_protocol`: what the host
    speaks, and the oldest that it understands. `parts` are its processes, `notices` say in words
    what keeps it from working as it should, `drained` why it begins nothing. `confirmed`: the last event it was told is stored, and so
    may have forgotten.
    """

    boot: str
    number: int
    sequence: int
    order: str
    generation: str
    at: datetime
    version: str
    runs: tuple[RunReport, ...]
    slots: Mapping[str, SlotReport] = field(default_factory=dict)
    load: LoadReport | None = None
    waits: tuple[WaitReport, ...] = ()
    config: int = 0
    protocol: int = 1
    oldest_protocol: int = 1
    confirmed: int = 0
    parts: tuple[PartReport, ...] = ()
    notices: tuple[str, ...] = ()
    drained: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChunk:
    """Bytes of a run's log from `offset` on, both counted uncompressed; `data` is a zstd frame."""

    run: int
    offset: int
    data: bytes
