"""What the list of jobs takes, whoever looks and whatever is asked: the worst of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.figures import Figure, percentile, say
from tests.benchmarks.million import Site, Times, figure, kept_site
from tests.lab.filled_lab import filled_lab
from tests.lab.request_cost import Cost

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Goals:
    """What lists may take: milliseconds, statements, buffers."""

    p50: int
    p99: int
    queries: int
    buffers: int


def measure(folder: Path) -> Iterator[Figure]:
    """Ask for each list as each viewer; nothing is taken from the cache, PostgreSQL's is warm."""
    goals = Goals(p50=5, p99=15, queries=3, buffers=200)
    yield from measure_lists(folder, "jobs_list", LISTS, goals)


def measure_lists(
    folder: Path, name: str, lists: Mapping[str, str], goals: Goals
) -> Iterator[Figure]:
    """Ask for lists as each viewer; figures are called `<name>_ms.p50` and so on."""
    pairs = [(who, one) for who in WHO for one in lists]
    with kept_site(folder, cache="off") as site:
        times = {pair: _times(site, pair, lists[pair[1]]) for pair in pairs}
        with filled_lab(site.data) as lab:
            costs = {(who, one): lab.cost(lists[one], WHO[who]) for who, one in pairs}
    ms = f"{name}_ms"
    p50, p99 = f"at most {goals.p50}", f"at most {goals.p99}"
    yield _worst(f"{ms}.p50", times, lambda found: percentile(found.server, 50), p50)
    yield _worst(f"{ms}.p99", times, lambda found: percentile(found.server, 99), p99)
    yield _worst(f"{ms}.client_p50", times, lambda found: percentile(found.client, 50), "no goal")
    for what, goal in (("queries", goals.queries), ("buffers", goals.buffers)):
        yield _dearest(name, what, costs, f"at most {goal}")


def _times(site: Site, pair: _Pair, address: str) -> Times:
    who, name = pair
    found = site.times(WHO[who], address)
    middle, last = (percentile(found.server, share) for share in (50, 99))
    say(f"{name}, {who}: {middle:.2f} ms, 99 % below {last:.2f}")
    return found


def _worst(
    name: str, times: Mapping[_Pair, Times], value: Callable[[Times], float], goal: str
) -> Figure:
    who, what = max(times, key=lambda pair: value(times[pair]))
    ms = round(value(times[who, what]), 2)
    return figure(name, ms, "ms", f"{goal} ({what}, {who})")


def _dearest(list_name: str, what: str, costs: Mapping[_Pair, Cost], goal: str) -> Figure:
    who, name = max(costs, key=lambda pair: int(getattr(costs[pair], what)))
    most = getattr(costs[who, name], what)
    return figure(f"{list_name}_{what}", most, what, f"{goal} ({name}, {who})")
