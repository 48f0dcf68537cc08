"""What LAVA's clients ask for before they follow events: `master_config` of both LAVA surfaces."""

from __future__ import annotations

from typing import TypedDict

from labq.config import Settings

LOG_SIZE_LIMIT = 5
"""MB of log that LAVA's own pages show; clients that read it take it for no more than advice."""


class MasterConfig(TypedDict):
    """The values and names of LAVA."""

    EVENT_TOPIC: str
    EVENT_SOCKET: str
    EVENT_NOTIFICATION: bool
    LOG_SIZE_LIMIT: int


def master_config(settings: Settings) -> MasterConfig:
    """Return how to follow events of this server; clients put its name in the place of `*`."""
    return MasterConfig(
        EVENT_TOPIC=settings.event_topic,
        EVENT_SOCKET=event_socket(settings),
        EVENT_NOTIFICATION=True,
        LOG_SIZE_LIMIT=LOG_SIZE_LIMIT,
    )


def event_socket(settings: Settings) -> str:
    """Return where events are published, as ZMQ names it: `tcp://*:5500`; empty when they are not."""
    return f"tcp://*:{settings.event_port}" if settings.event_port else ""
