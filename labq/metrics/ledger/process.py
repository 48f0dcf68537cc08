"""The ledger of a process that answers no requests: conductor, stream, core worker, commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from labq import statsd
from labq.config import Settings
from labq.metrics.ledger import listening
from labq.metrics.ledger.courier import Courier
from labq.metrics.ledger.ledger import Ledger, bounds_of
from labq.metrics.ledger.watcher import Watcher


def observe(part: str, settings: Settings) -> None:
    """Keep a ledger of this process until it ends; called once, after the fork."""
    if not (settings.ops and settings.redis_url):
        return
    ledger = Ledger(part, bounds_of(settings))
    listening.keep(ledger)
    Watcher(ledger).start()
    Courier(ledger, settings, None).start()


@contextmanager
def observed(part: str, settings: Settings) -> Iterator[None]:
    """Keep a ledger within the block and send it at its end: for commands, which are soon over."""
    if not (settings.ops and settings.redis_url):
        yield
        return
    statsd.setup(settings)
    ledger = Ledger(part, bounds_of(settings))
    listening.keep(ledger)
    # No connection but the command's own: it may be about to replace the database.
    courier = Courier(ledger, settings, None, makes_plans=False)
    courier.start()
    try:
        yield
    finally:
        listening.keep(None)
        courier.stop()
