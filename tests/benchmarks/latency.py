"""How long an idle device waits for a job that was just submitted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.figures import Figure, percentile, say
from tests.lab import devices, jobs
from tests.lab.client import Client
from tests.lab.server import running
from tests.lab.waiting import until

SUBMISSIONS = 100
NAME = "submit_to_first_step_ms"
AGAINST = {50: "at most 50", 95: "at most 150"}


def measure(folder: Path) -> Iterator[Figure]:
    """Submit one job after the other to one idle shell device."""
    with running(folder, "shell=1") as server:
        client = Client(server.url, server.token)
        body = json.dumps({"definition": devices.shell_job(jobs.say("true"))}).encode()
        _submit(client, body)
        waits = []
        for number in range(SUBMISSIONS):
            waits.append(_submit(client, body))
            if number % 20 == 19:
                say(f"{number + 1} of {SUBMISSIONS} submissions")
        client.close()
    for share, against in AGAINST.items():
        yield Figure(f"{NAME}.p{share}", round(percentile(waits, share), 1), "ms", against)


def _submit(client: Client, body: bytes) -> float:
    """Return the milliseconds from the request's first byte to the bench's first begin record."""
    sent = datetime.now(UTC)
    answer = client.ask("POST", "/api/v1/jobs", body, {"Content-Type": "application/json"})
    assert answer.status == 201, answer.text
    job = answer.json["id"]
    shown = client.finish(job)
    began = datetime.fromisoformat(shown["runs"][0]["steps"][0]["began_at"])
    until(lambda: client.device(shown["device"])["state"] == "idle", "the device is idle")
    time.sleep(0.02)
    return (began - sent).total_seconds() * 1000
