"""How hosts are: gauges `host.<name>.<queue>.limit|used|waiting|utilisation`, and of their load.

Hosts send no figures themselves: these come from their reports as the server notes them.
"""

from __future__ import annotations

from collections.abc import Iterator

from labq import statsd
from labq.models.host import Host

SLOT_KEYS = ("limit", "used", "waiting", "utilisation")
LOAD_KEYS = ("cpu", "io", "memory", "swap", "runnable", "load")


def gauges(host: Host) -> Iterator[tuple[str, float]]:
    """Yield names and present values of a host's slots and load."""
    name = f"host.{statsd.segment(host.name)}"
    for queue, slot in host.slots.items():
        for key in SLOT_KEYS:
            if key in slot:
                yield f"{name}.{statsd.segment(queue)}.{key}", slot[key]
    for key in LOAD_KEYS:
        if host.load.get(key) is not None:
            yield f"{name}.load.{key}", host.load[key]
    if "is_overloaded" in host.load:
        yield f"{name}.overloaded", int(host.load["is_overloaded"])
