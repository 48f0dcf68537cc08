"""The JSON API: one file a group of endpoints, all of them in one tuple."""

from labq.web.api import (
    artifacts,
    device_types,
    devices,
    enrolments,
    events,
    groups,
    hosts,
    job_changes,
    job_log,
    job_results,
    jobs,
    ops_database,
    ops_requests,
    ops_sql_log,
    system,
    tokens,
    users,
)
from labq.web.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *jobs.ENDPOINTS,
    *job_changes.ENDPOINTS,
    *job_log.ENDPOINTS,
    *job_results.ENDPOINTS,
    *artifacts.ENDPOINTS,
    *events.ENDPOINTS,
    *devices.ENDPOINTS,
    *device_types.ENDPOINTS,
    *hosts.ENDPOINTS,
    *enrolments.ENDPOINTS,
    *users.ENDPOINTS,
    *groups.ENDPOINTS,
    *tokens.ENDPOINTS,
    *system.ENDPOINTS,
    *ops_requests.ENDPOINTS,
    *ops_database.ENDPOINTS,
    *ops_sql_log.ENDPOINTS,
)
