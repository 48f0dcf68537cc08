"""What a host is for, by name, and what the server may ask of a host's slots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from labq.domain.plan import Queue


class Preset(StrEnum):
    """Kinds of hosts; `labq.bench.presets` has what each means."""

    DEVELOPMENT = "development"
    BASELINE = "baseline"
    DEDICATED = "dedicated"
    SERIAL = "serial"


ADAPTIVE = (Queue.BOOT, Queue.DEPLOY, Queue.DOWNLOAD)
"""The queues whose limits follow the pressure on the host."""
MOST_SLOTS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HostConfig:
    """What the server asks of a host; `revision` tells one from the next, 0: nothing was asked.

    `limits` fixes the slots of a queue, `ceilings` bounds those that adapt; both by queue.
    """

    revision: int = 0
    preset: Preset | None = None
    limits: Mapping[Queue, int] = field(default_factory=dict)
    ceilings: Mapping[Queue, int] = field(default_factory=dict)
