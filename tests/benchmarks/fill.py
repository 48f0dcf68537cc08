"""How long it takes to fill a database with a million jobs and twenty million cases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from labq.domain.deadline import monotonic
from labq.supervisor import postgres
from tests.benchmarks.figures import Figure, say
from tests.lab import programs
from tests.lab.filled import fill

PROFILE = "million"


def measure(folder: Path) -> Iterator[Figure]:
    """Fill a new database of an embedded server as it is by default; nothing of it is kept."""
    server = postgres.prepare(folder / "postgres")
    with programs.running(server.argv, server.folder, server.is_ready):
        server.create("labq")
        say(f"filling a database with the profile {PROFILE}")
        began = monotonic()
        facts = fill(server.url("labq"), folder, PROFILE, 1, datetime.now(UTC))
        minutes = (monotonic() - began) / 60
    against = f"at most 10 ({facts['jobs']:,} jobs, {facts['cases']:,} cases)"
    yield Figure("fill_minutes", round(minutes, 2), "min", against)
