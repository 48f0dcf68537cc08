"""How long a run lies between two steps while its host is busy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import Figure, percentile, say
from tests.benchmarks.light import DEVICES, LIMIT_SECONDS, light_job
from tests.lab.client import Client
from tests.lab.server import running
from tests.lab.waiting import until

NAME = "handover_ms"
AGAINST = {50: "at most 10", 99: "at most 100"}
BURST = 150
PACED = 400


def measure(folder: Path) -> Iterator[Figure]:
    """Find out how many light jobs a minute there can be, then submit half as many a minute."""
    definition = light_job()
    with running(folder, f"shell={DEVICES}") as server:
        client = Client(server.url, server.token)
        client.run(definition)
        rate = _burst(client, definition)
        say(f"{60 * rate:.0f} light jobs a minute in a burst, {30 * rate:.0f} from now on")
        paced = _submit(client, definition, PACED, pause=2 / rate)
        _wait(client, paced)
        waits = [wait for job in paced for wait in _handovers(client.job(job))]
        client.close()
    say(f"{len(waits)} hand-overs")
    for share, against in AGAINST.items():
        yield Figure(f"{NAME}.p{share}", round(percentile(waits, share), 1), "ms", against)


def _burst(client: Client, definition: str) -> float:
    """Return how many jobs a second end when all are submitted at once."""
    began = time.monotonic()
    _wait(client, _submit(client, definition, BURST, pause=0))
    return BURST / (time.monotonic() - began)


def _submit(client: Client, definition: str, number: int, *, pause: float) -> list[int]:
    began = time.monotonic()
    jobs = []
    for position in range(number):
        time.sleep(max(0.0, began + position * pause - time.monotonic()))
        jobs.append(client.submit(definition))
    return jobs


def _wait(client: Client, jobs: list[int]) -> None:
    until(
        lambda: client.job(jobs[-1])["state"] == "finished",
        "the last job is over",
        LIMIT_SECONDS,
        pause=0.2,
    )
    wrong = [job for job in jobs if client.finish(job, LIMIT_SECONDS)["outcome"] != "complete"]
    assert not wrong, f"{len(wrong)} jobs are not complete: {wrong[:5]}"


def _handovers(job: dict[str, Any]) -> Iterator[float]:
    """Yield the milliseconds from each step's end to its successor's begin, without slot waits."""
    steps = sorted(job["runs"][-1]["steps"], key=lambda step: step["position"])
    for before, after in pairwise(steps):
        ended, began = (datetime.fromisoformat(text) for text in _moments(before, after))
        yield ((began - ended).total_seconds() - after["slot_wait_seconds"]) * 1000


def _moments(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, str]:
    return before["ended_at"], after["began_at"]
