"""Whether the read replica that the settings name is one, and keeps up."""

from __future__ import annotations

from collections.abc import Iterator

from labq import config
from labq.cli.checks.finding import Finding, State
from labq.services.database import Role, make_engine
from labq.services.replica import NAME, examine

CHECK = "read replica"


def replica() -> Iterator[Finding]:
    """Look how far it is behind, for as long as it may be."""
    settings = config.load()
    if not settings.database_url or not settings.database_replica_url:
        return
    primary = make_engine(settings.database_url, Role.COMMAND)
    far = make_engine(settings.database_replica_url, Role.COMMAND, application=NAME)
    try:
        standing = examine(primary, far, settings.database_replica_lag)
    finally:
        primary.dispose()
        far.dispose()
    limit = f"{standing.limit_seconds:g} s"
    if standing.is_used:
        lag = f"{standing.lag_seconds or 0:.1f} s"
        yield Finding(CHECK, State.GOOD, f"at most {lag} behind, {limit} are allowed")
    else:
        found = f"not read from: it {standing.detail} (allowed lag {limit})"
        yield Finding(CHECK, State.WEAK, found, "lists are read from the database itself meanwhile")
