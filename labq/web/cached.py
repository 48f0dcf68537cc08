"""What is cached and why: the one table. docs/caching.md shows it, a test compares them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from labq.web.cache import Life


class Sharers(StrEnum):
    """Who is given the same value."""

    ANONYMOUS = "all who are not logged in; others are answered anew"
    AUDIENCE = "all who are in the same groups; those in none with the anonymous; admins"
    OWNER = "nobody: the caller keeps it, labq says by 304 that it still holds"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is cached: its name, who shares it, how long it lives, why it may and should.

    Without a life it lives as long as its tag holds (`services/unchanging.py`).
    """

    name: str
    sharers: Sharers
    life: Life | None
    why: str


_LIST = Life(settled=1.0, longest=10.0, stale=5.0)
_REPORT = Life(settled=2.0, longest=15.0, stale=15.0)

CACHED: tuple[Rule, ...] = (
    Rule(
        "api.jobs.index",
        Sharers.ANONYMOUS,
        _LIST,
        "dashboards and crawlers without a token ask for the same pages over and over",
    ),
    Rule(
        "api.devices.index",
        Sharers.ANONYMOUS,
        _LIST,
        "the same, for wallboards of devices",
    ),
    Rule(
        "api.device_types.index",
        Sharers.ANONYMOUS,
        _LIST,
        "counts devices and waiting jobs of every type",
    ),
    Rule(
        "api.hosts.index",
        Sharers.ANONYMOUS,
        _LIST,
        "counts devices and open runs of every host",
    ),
    Rule(
        "overview.lab",
        Sharers.AUDIENCE,
        _REPORT,
        "the figures of the whole lab, the first page that everybody opens; many queries; devices "
        "may be hidden",
    ),
    Rule(
        "overview.jobs",
        Sharers.AUDIENCE,
        _REPORT,
        "the jobs on the first page; a user's own restricted jobs are added for each request",
    ),
    Rule(
        "api.jobs.show",
        Sharers.OWNER,
        None,
        "clients poll jobs until they end, and go on after it",
    ),
    Rule(
        "api.jobs.definition",
        Sharers.OWNER,
        None,
        "a definition never changes, and is read with its finished job",
    ),
    Rule(
        "api.jobs.plan",
        Sharers.OWNER,
        None,
        "large; a finished job has no further run",
    ),
    Rule(
        "api.jobs.dictionary",
        Sharers.OWNER,
        None,
        "large; a finished job has no further run",
    ),
    Rule(
        "api.job_results.show",
        Sharers.OWNER,
        None,
        "up to 100,000 cases; a finished job's results take no more",
    ),
    Rule(
        "api.job_log.show",
        Sharers.OWNER,
        None,
        "once a log is packed, nothing is added to it",
    ),
    Rule(
        "api.job_log.download",
        Sharers.OWNER,
        None,
        "the largest answers there are; once a log is packed, nothing is added to it",
    ),
)
RULES = {rule.name: rule for rule in CACHED}
UNCHANGING = frozenset(rule.name for rule in CACHED if rule.sharers is Sharers.OWNER)
"""Endpoints below `/jobs/<job>` whose answers for a finished job carry a tag."""


def life_of(rule: Rule) -> Life:
    """Return how long a rule's values live; for those that the server keeps."""
    if rule.life is None:
        message = f"{rule.name} is kept by callers alone"
        raise RuntimeError(message)
    return rule.life
