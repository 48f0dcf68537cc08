"""How long a lava-sync takes over a group of ten: from its last caller to its last answer."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from tests.benchmarks.figures import Figure, percentile, say
from tests.lab.client import Client
from tests.lab.groups import group, role
from tests.lab.server import running

NAME = "multinode_ms"
AGAINST = "p95 at most 100"
MEMBERS = 10
SYNCS = 60
LIMIT_SECONDS = 600
_CALL = re.compile(r"<LAVA_MULTI_NODE> <LAVA_SYNC (s\d+)>")
_ANSWER = "<LAVA_WAIT_COMPLETE"


def measure(folder: Path) -> Iterator[Figure]:
    """Have ten shells meet many times, one meeting after the other."""
    steps = [f"lava-sync s{number}" for number in range(SYNCS)]
    text = group({"all": role(MEMBERS)}, {"all": steps}, seconds=LIMIT_SECONDS)
    with running(folder, f"shell={MEMBERS}") as server:
        client = Client(server.url, server.token)
        first = client.submit(text)
        jobs = [client.finish(first + place, LIMIT_SECONDS) for place in range(MEMBERS)]
        wrong = [job["id"] for job in jobs if job["outcome"] != "complete"]
        assert not wrong, f"jobs {wrong} are not complete: {jobs[0]['error']}"
        took = _times(client, [job["id"] for job in jobs])
        client.close()
    say(f"{len(took)} meetings of {MEMBERS}: {_shown(took)}")
    yield Figure(NAME, round(percentile(took, 95), 1), "ms", AGAINST)


def _times(client: Client, jobs: list[int]) -> list[float]:
    """Return the milliseconds of each meeting."""
    called: defaultdict[str, list[datetime]] = defaultdict(list)
    answered: defaultdict[str, list[datetime]] = defaultdict(list)
    for job in jobs:
        name = ""
        for line in client.lines(job):
            text, at = str(line["msg"]), datetime.fromisoformat(line["dt"])
            if line["lvl"] == "target" and (found := _CALL.search(text)):
                name = found[1]
                called[name].append(at)
            elif line["lvl"] == "input" and text.startswith(_ANSWER):
                answered[name].append(at)
    assert {len(found) for found in (*called.values(), *answered.values())} == {len(jobs)}
    return [(max(answered[name]) - max(called[name])).total_seconds() * 1000 for name in called]


def _shown(took: list[float]) -> str:
    return ", ".join(f"p{share} {percentile(took, share):.0f} ms" for share in (50, 95, 100))
