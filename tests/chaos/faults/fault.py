"""What a fault is: drawn by the seed, done to a live process or link, undone after some seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tests.chaos.ground import Ground

Mend = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Target:
    """What is hit: a part on a host, or a part of the server (`host` is empty)."""

    host: str
    part: str

    def __str__(self) -> str:
        return f"{self.host}/{self.part}" if self.host else self.part


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as drawn: `seconds` is how long it lasts, `wait` the pause before it."""

    number: int
    kind: str
    target: Target
    seconds: float
    wait: float


@dataclass(frozen=True, slots=True)
class Done:
    """What was done: in words, and how it is undone, if it is not over at once."""

    words: str
    mend: Mend | None = None


class Kind(Protocol):
    """One kind of fault. `weight` is how often it is drawn, `seconds` how long it may last.

    `explains` has patterns of the failures that jobs of the host may have by it, by the part hit.
    """

    name: str
    weight: int
    targets: tuple[Target, ...]
    seconds: tuple[float, float] = (0.0, 0.0)
    explains: tuple[tuple[str, str], ...] = ()

    def do(self, ground: Ground, fault: Fault) -> Done | None:
        """Do it; None while what it would hit is not alive."""
