"""HTML pages: one file a page, each with its literal tuple `PAGES`."""

from __future__ import annotations

from labq.web.endpoint import Page
from labq.web.pages import (
    add_device,
    addresses,
    device,
    device_type,
    devices,
    hosts,
    job,
    job_actions,
    job_artifacts,
    job_results,
    job_text,
    jobs,
    login,
    ops,
    ops_database,
    ops_tools,
    overview,
    queue,
    results,
    retention,
    submit,
    tokens,
)

PAGES: tuple[Page, ...] = (
    *overview.PAGES,
    *jobs.PAGES,
    *job.PAGES,
    *job_results.PAGES,
    *job_artifacts.PAGES,
    *job_text.PAGES,
    *job_actions.PAGES,
    *submit.PAGES,
    *queue.PAGES,
    *results.PAGES,
    *devices.PAGES,
    *device.PAGES,
    *device_type.PAGES,
    *add_device.PAGES,
    *hosts.PAGES,
    *retention.PAGES,
    *login.PAGES,
    *tokens.PAGES,
    *ops.PAGES,
    *ops_database.PAGES,
    *ops_tools.PAGES,
    *addresses.PAGES,
)
