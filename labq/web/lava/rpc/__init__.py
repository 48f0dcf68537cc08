"""The methods of LAVA's XML-RPC surface, one noun a file, each with its literal tuple `METHODS`."""

from __future__ import annotations

from labq.web.lava.method import Method
from labq.web.lava.rpc import (
    aliases,
    device_changes,
    device_types,
    devices,
    groups,
    job_changes,
    job_log,
    jobs,
    old_jobs,
    remote_tokens,
    results,
    system,
    tags,
    users,
    workers,
)

METHODS: tuple[Method, ...] = (
    *system.METHODS,
    *jobs.METHODS,
    *job_changes.METHODS,
    *job_log.METHODS,
    *old_jobs.METHODS,
    *devices.METHODS,
    *device_changes.METHODS,
    *device_types.METHODS,
    *workers.METHODS,
    *tags.METHODS,
    *aliases.METHODS,
    *remote_tokens.METHODS,
    *groups.METHODS,
    *users.METHODS,
    *results.METHODS,
)
