"""The protocol of orders, events and reports: its number, and who still understands whom.

New fields with defaults and new kinds of events or orders need no new number: readers pass over what
they do not know. The number is raised when the other side must know of a change; `OLDEST` follows when
the code that speaks an older one is taken away, one released version later at the earliest.
"""

from __future__ import annotations

PROTOCOL = 1
"""What this labq speaks; of hosts and servers that do not tell it is 1."""
OLDEST = 1
"""The oldest that this labq still understands."""


def mismatch(spoken: int, oldest: int, *, who: str) -> str:
    """Return why this labq and another do not understand each other, empty when they do.

    `spoken` and `oldest` are the other's numbers, `who` is what it is called.
    """
    if spoken < OLDEST:
        return (
            f"{who} speaks protocol {spoken}, the oldest understood here is {OLDEST}: upgrade {who}"
        )
    if oldest > PROTOCOL:
        return f"{who} needs protocol {oldest}, here it is {PROTOCOL}: upgrade the labq here first"
    return ""
