"""The JSON API: one file a group of endpoints, all of them in one tuple."""

from labq.web.api import (
    device_types,
    groups,
    job_results,
    jobs,
    system,
    tokens,
    users,
)
from labq.web.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *jobs.ENDPOINTS,
    *job_results.ENDPOINTS,
    *device_types.ENDPOINTS,
    *users.ENDPOINTS,
    *groups.ENDPOINTS,
    *tokens.ENDPOINTS,
    *system.ENDPOINTS,
)
