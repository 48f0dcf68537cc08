"""What LAVA's list of jobs takes, with its exact count and at any offset: the worst of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.figures import Figure
from tests.benchmarks.lists import Goals, measure_lists

JOBS = "/api/v0.2/jobs/"
LISTS = {
    "plain": JOBS,
    "queue of a type": f"{JOBS}?state=Submitted&requested_device_type={{queue}}&format=json",
    "by type": f"{JOBS}?requested_device_type={{type}}",
    "by health": f"{JOBS}?health=Incomplete",
    "finished, the oldest first": f"{JOBS}?ordering=id&state=Finished",
    "by submitter": f"{JOBS}?submitter__username={{submitter}}",
    "by id": f"{JOBS}?id__in=1,2,{{job}}",
    "half-way down": f"{JOBS}?offset=300000",
    "half-way up": f"{JOBS}?offset=300000&ordering=id",
}
GOALS = Goals(p50=15, p99=45, queries=6, buffers=2_500)


def measure(folder: Path) -> Iterator[Figure]:
    """Ask for each list as each viewer; nothing is taken from the cache, PostgreSQL's is warm."""
    yield from measure_lists(folder, "lava_jobs_list", LISTS, GOALS)
