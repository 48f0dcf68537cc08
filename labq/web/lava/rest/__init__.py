"""LAVA's REST API, `/api/v0.2/`: one file a resource, all of their routes in one tuple."""

from labq.web.lava.rest import (
    aliases,
    device_types,
    devices,
    job_changes,
    job_log,
    job_results,
    jobs,
    people,
    remote_tokens,
    rights,
    system,
    tags,
    token,
    workers,
)
from labq.web.lava.rest.route import Route

ROUTES: tuple[Route, ...] = (
    *system.ROUTES,
    *token.ROUTES,
    *jobs.ROUTES,
    *job_changes.ROUTES,
    *job_log.ROUTES,
    *job_results.ROUTES,
    *devices.ROUTES,
    *device_types.ROUTES,
    *workers.ROUTES,
    *tags.ROUTES,
    *aliases.ROUTES,
    *rights.ROUTES,
    *people.ROUTES,
    *remote_tokens.ROUTES,
)
