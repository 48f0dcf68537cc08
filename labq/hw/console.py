"""A console as a step sees it: a journaled stream of bytes with a time for each piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from labq.domain.deadline import Deadline


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that the device sent: `offset` counts the channel's bytes before them.

    `at` is the moment of arrival in seconds on the journal's clock (monotonic), so that a step
    which replays its journal sees the moments of the first time.
    """

    data: bytes
    offset: int
    at: float


class ConsoleClosedError(Exception):
    """The device's console ended: the connection broke or the emulator exited."""


class Console(Protocol):
    """One channel of a device, read forward from where the step began."""

    @property
    def channel(self) -> str:
        """Return the channel's name."""

    def now(self) -> float:
        """Return the journal's clock: the last chunk's moment in a replay, else the real one."""

    def read(self, deadline: Deadline) -> Chunk | None:
        """Return the next bytes, None when `deadline` passes first.

        Raises ConsoleClosedError when the stream has ended, InfrastructureError when the bench is
        gone or refuses this step.
        """

    def send(self, data: bytes, delay: float = 0.0) -> None:
        """Send bytes, `delay` seconds apart from each other; what the journal has is not repeated.

        With a delay the bench also waits for each character's echo, at most 10 times the delay.
        """
