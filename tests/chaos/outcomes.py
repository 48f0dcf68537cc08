"""Whether a job ended as it must after what was done to it and to its host."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.chaos import faults
from tests.chaos.faults.signals import DYING
from tests.chaos.record import Entry, Hit, Record

AFTER_SECONDS = 15.0
DEATHS = 3
Job = Mapping[str, Any]


def judge(job: Job, entry: Entry, record: Record) -> Iterator[str]:
    """Yield what is wrong with the outcome."""
    outcome, error = job["outcome"], job["error"] or {}
    message = str(error.get("message", ""))
    is_endless = entry.trial.cancel_after is not None
    if outcome == "canceled":
        if not entry.canceled and not is_endless:
            yield "was canceled by nobody"
    elif outcome == "complete":
        if is_endless:
            yield "is complete, though its test never ends"
    elif error.get("type") != "Infrastructure":
        yield f"is incomplete by {error.get('type')}: {message}"
    elif not _is_explained(job, entry, record, message):
        yield f"is incomplete, and nothing that was done explains: {message}"


def _is_explained(job: Job, entry: Entry, record: Record, message: str) -> bool:
    hits = [hit for hit in record.hits if hit.host == job["host"] and _is_within(hit, entry)]
    if re.search(DYING, message):
        return sum(1 for hit in hits if _takes_steps(hit)) >= DEATHS
    patterns = (pattern for hit in hits for pattern in _explained_by(hit))
    return any(re.search(pattern, message) for pattern in patterns)


def _takes_steps(hit: Hit) -> bool:
    return hit.kind in ("kill", "kill all", "term", "stop", "power cut", "disk full")


def _explained_by(hit: Hit) -> Iterator[str]:
    hit_part = hit.target.partition("/")[2]
    explains = faults.find_kind(hit.kind).explains
    return (pattern for part, pattern in explains if part == hit_part)


def _is_within(hit: Hit, entry: Entry) -> bool:
    """Tell whether a fault was done while the job was at work."""
    is_early = entry.ended is not None and hit.began > entry.ended
    is_late = hit.ended is not None and hit.ended + AFTER_SECONDS < entry.submitted
    return not is_early and not is_late
