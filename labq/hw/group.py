"""A step's line to the other members of its group: what it tells them, and what they have told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from labq.domain.deadline import Deadline
from labq.domain.orders import GroupMail


class GroupLine(Protocol):
    """Messages in the order in which the run heard them, from the first one on."""

    @property
    def heard(self) -> Sequence[GroupMail]:
        """Return all messages that were read so far, each once."""

    def now(self) -> float:
        """Return the journal's clock."""

    def tell(self, sort: Literal["send", "start"], name: str, data: Mapping[str, str]) -> None:
        """Tell all members; what the journal has is not told again."""

    def read(self, deadline: Deadline) -> tuple[GroupMail, ...] | None:
        """Return the messages that came next, but those heard before; None when `deadline` passes."""

    def rest(self) -> None:
        """Give the slot of the step back while it waits for others."""

    def resume(self) -> None:
        """Have a slot again; returns once there is one."""
