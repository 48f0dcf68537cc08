"""`python -m tests.benchmarks.readers URL CLIENTS SECONDS`: reads the list of jobs with many clients.

The token is in LABQ_TOKEN. It is a process of its own, so that what else a benchmark does is not slowed.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Sequence

from labq.domain.deadline import monotonic
from tests.lab.client import Client


def main(words: Sequence[str]) -> None:
    """Read until the time is over; print answers, failures and seconds as JSON."""
    url, clients, seconds = words[0], int(words[1]), float(words[2])
    counts = [[0, 0] for _ in range(clients)]
    began = monotonic()
    threads = [
        threading.Thread(target=_read, args=(url, began + seconds, count)) for count in counts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    good, bad = (sum(count[which] for count in counts) for which in (0, 1))
    print(json.dumps({"good": good, "bad": bad, "seconds": monotonic() - began}))  # noqa: T201 - its product


def _read(url: str, until: float, count: list[int]) -> None:
    client = Client(url, os.environ["LABQ_TOKEN"])
    while monotonic() < until:
        count[client.get("/jobs").status != 200] += 1
    client.close()


if __name__ == "__main__":
    main(sys.argv[1:])
