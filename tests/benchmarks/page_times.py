"""What pages take in the server: lists of jobs, one job with a long log, the first page, others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.benchmarks.figures import Figure, percentile, say
from tests.benchmarks.million import Site, figure, kept_site

USERS = ("", "fill-user", "fill-admin")
JOBS = ("/jobs", "/jobs?device_type={type}", "/jobs?q={label}")
PAGES = ("/devices/{device}", "/queue?type={queue}", "/results", "/results?name={case}&days=14")


def measure(folder: Path) -> Iterator[Figure]:
    """Ask for pages one after the other, first without labq's cache and then with it."""
    with kept_site(folder, cache="off") as site:
        yield _worst(site, "jobs_page_ms.p95", JOBS, "at most 25 (LAVA 46 to 58)")
        yield _worst(site, "job_page_ms.p95", ("/jobs/{log_job}",), "at most 50")
        yield _worst(site, "overview_ms.p95.cold", ("/",), "at most 100")
        yield _worst(site, "pages_ms.p95", PAGES, "at most 40")
    with kept_site(folder / "cached", cache="on") as site:
        yield _worst(site, "overview_ms.p95.cached", ("/",), "at most 30")


def _worst(site: Site, name: str, paths: Sequence[str], goal: str) -> Figure:
    """Return the figure of the page, and of who asks for it, that takes the longest."""
    found = {}
    for path in paths:
        for who in USERS:
            ms = percentile(site.times(who, path).server, 95)
            say(f"{path} for {who or 'a stranger'}: 95 % below {ms:.1f} ms")
            found[path, who or "a stranger"] = ms
    path, who = max(found, key=lambda pair: found[pair])
    return figure(name, round(found[path, who], 1), "ms", f"{goal} ({path}, {who})")
