"""What the list of jobs takes, whoever looks and whatever is asked: the worst of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.benchmarks.figures import Figure, percentile, say
from tests.benchmarks.million import Site, Times, figure, kept_site
from tests.lab.filled_lab import filled_lab
from tests.lab.request_cost import Cost

NAME = "jobs_list_ms"
WHO = {"a stranger": "", "a user": "fill-user", "an admin": "fill-admin"}
LISTS = {
    "plain": "/api/v1/jobs",
    "by type": "/api/v1/jobs?device_type={type}",
    "by outcome": "/api/v1/jobs?outcome=incomplete",
    "by state": "/api/v1/jobs?state=submitted",
    "by submitter": "/api/v1/jobs?submitter={submitter}",
    "deep": "/api/v1/jobs?since=2000-01-01&after={deep}",
    "by metadata": "/api/v1/jobs?q={label}",
}
_Pair = tuple[str, str]


def measure(folder: Path) -> Iterator[Figure]:
    """Ask for each list as each viewer; nothing is taken from the cache, PostgreSQL's is warm."""
    with kept_site(folder, cache="off") as site:
        times = {pair: _times(site, *pair) for pair in _pairs()}
        with filled_lab(site.data) as lab:
            costs = {(who, name): lab.cost(LISTS[name], WHO[who]) for who, name in _pairs()}
    yield _worst(f"{NAME}.p50", times, lambda found: percentile(found.server, 50), "at most 5")
    yield _worst(f"{NAME}.p99", times, lambda found: percentile(found.server, 99), "at most 15")
    yield _worst(f"{NAME}.client_p50", times, lambda found: percentile(found.client, 50), "no goal")
    for what, goal in (("queries", "at most 3"), ("buffers", "at most 200")):
        yield _dearest(what, costs, goal)


def _pairs() -> Iterator[_Pair]:
    yield from ((who, name) for who in WHO for name in LISTS)


def _times(site: Site, who: str, name: str) -> Times:
    found = site.times(WHO[who], LISTS[name])
    middle, last = (percentile(found.server, share) for share in (50, 99))
    say(f"{name}, {who}: {middle:.2f} ms, 99 % below {last:.2f}")
    return found


def _worst(
    name: str, times: Mapping[_Pair, Times], value: Callable[[Times], float], goal: str
) -> Figure:
    who, what = max(times, key=lambda pair: value(times[pair]))
    ms = round(value(times[who, what]), 2)
    return figure(name, ms, "ms", f"{goal} ({what}, {who})")


def _dearest(what: str, costs: Mapping[_Pair, Cost], goal: str) -> Figure:
    who, name = max(costs, key=lambda pair: int(getattr(costs[pair], what)))
    most = getattr(costs[who, name], what)
    return figure(f"jobs_list_{what}", most, what, f"{goal} ({name}, {who})")
