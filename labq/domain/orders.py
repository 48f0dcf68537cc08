"""What the server tells a host. Orders are level-triggered: reading one twice changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOrder:
    """Announces every sending of a run's chain, and so also cancel and loss.

    A higher `epoch` than the highest seen sets the next step to `next`; a lower one is ignored.
    `plan` is the plan's JSON; it stands in the order whenever the host may not know it.
    `reason` is for the log: empty for a plain start. `protocol` and `oldest_protocol`: what the
    server speaks, and the oldest that it understands.
    """

    run: int
    epoch: int
    next: int
    device: str
    digest: str
    plan: str | None = None
    reason: str = ""
    protocol: int = 1
    oldest_protocol: int = 1
    kind: Literal["run"] = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmOrder:
    """Events up to `sequence` are stored; the maximum counts."""

    sequence: int
    kind: Literal["confirm"] = "confirm"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainOrder:
    """A gap was seen: send the durable events from `sequence` on once more."""

    sequence: int
    kind: Literal["again"] = "again"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOrder:
    """The log of a run is stored up to `length` bytes; send from there (also after a gap)."""

    run: int
    length: int
    kind: Literal["stored"] = "stored"


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationOrder:
    """Reports count only with this text: it changes when Redis has lost its data."""

    generation: str
    kind: Literal["generation"] = "generation"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigOrder:
    """What the host's slots are to be, until a higher revision; sent while a report shows another.

    An empty `preset` leaves that to the host's own settings. `limits` fixes the slots of a queue,
    `ceilings` bounds those that adapt. `drain` is why the host is to end its runs and begin none.
    """

    revision: int
    preset: str = ""
    limits: Mapping[str, int] = field(default_factory=dict)
    ceilings: Mapping[str, int] = field(default_factory=dict)
    drain: str = ""
    kind: Literal["config"] = "config"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMail:
    """One message in a group, with its number there.

    `sort` is `send`, `start` (guests of the role `name` may begin) or `begun` (all members have).
    `sender` is the member's id as clients see it, empty where the server itself says it.
    """

    number: int
    sort: str
    name: str
    sender: str
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOrder:
    """Messages for all runs of a group on the host; those that a run has are left out there."""

    group: int
    messages: tuple[GroupMail, ...]
    kind: Literal["group"] = "group"


Order = (
    RunOrder | ConfirmOrder | AgainOrder | StoredOrder | GenerationOrder | ConfigOrder | GroupOrder
)
