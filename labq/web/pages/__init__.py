"""HTML pages: one file a page, each with its literal tuple `PAGES`."""

from __future__ import annotations

from labq.web.endpoint import Page
from labq.web.pages import addresses, hosts, jobs, login, overview, tokens

PAGES: tuple[Page, ...] = (
    *overview.PAGES,
    *jobs.PAGES,
    *hosts.PAGES,
    *login.PAGES,
    *tokens.PAGES,
    *addresses.PAGES,
)
