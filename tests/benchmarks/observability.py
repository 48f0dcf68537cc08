"""What the ledger costs: the same requests to two web processes by turns, one of which keeps none."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.figures import Figure, median, say
from tests.lab import parts
from tests.lab.client import Client
from tests.lab.devices import shell_job
from tests.lab.jobs import say as command
from tests.lab.production import Production
from tests.lab.server import free_port
from tests.lab.waiting import until

ROUNDS = int(os.environ.get("LABQ_OBSERVABILITY_ROUNDS", "1000"))
WARM_UP = 100
JOBS = 60
GOAL = "at most 1.1"
ON, OFF = "on", "off"
NAME = "observability_cost"
PATHS = {
    NAME: "/api/v1/jobs?limit=25",
    f"{NAME}.job": "/api/v1/jobs/1",
    f"{NAME}.page": "/jobs",
    f"{NAME}.no_query": "/api/v1/system/version",
}


@dataclass(frozen=True, slots=True)
class Arm:
    """One web process and what asks it."""

    client: Client
    pid: int


def measure(folder: Path) -> Iterator[Figure]:
    """Ask both processes by turns: the ratio of medians, and of the CPU time they took."""
    with _served(folder) as arms:
        for name, path in PATHS.items():
            say(f"asking for {path}")
            _ask(arms, path, WARM_UP)
            before = {arm: parts.cpu_seconds(arms[arm].pid) for arm in arms}
            found = {arm: median(seconds) for arm, seconds in _ask(arms, path, ROUNDS).items()}
            used = {arm: parts.cpu_seconds(arms[arm].pid) - before[arm] for arm in arms}
            more, off = 1000 * (found[ON] - found[OFF]), 1000 * found[OFF]
            yield Figure(name, round(found[ON] / found[OFF], 3), "times", GOAL)
            yield Figure(f"{name}.added", round(more, 3), "ms", f"of {off:.2f}")
            yield Figure(f"{name}.cpu", round(used[ON] / used[OFF], 3), "times", "no goal")


def _ask(arms: Mapping[str, Arm], path: str, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each arm; who is asked first is drawn each time."""
    found: dict[str, list[float]] = {arm: [] for arm in arms}
    draw = random.Random(5)
    for _ in range(rounds):
        for arm in draw.sample((ON, OFF), 2):
            began = time.perf_counter()
            answer = arms[arm].client.ask("GET", path)
            found[arm].append(time.perf_counter() - began)
            assert answer.status == 200, answer.text
    return found


@contextmanager
def _served(folder: Path) -> Iterator[Mapping[str, Arm]]:
    """Run a web process that keeps a ledger, and one that does not, before some jobs."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("127.0.0.1", 0))
        lab = Production(folder)
        try:
            lab.start_servers()
            lab.prepare("shell=1")
            arms = {name: _start(lab, name, sink.getsockname()[1]) for name in (ON, OFF)}
            for _ in range(JOBS):
                arms[OFF].client.submit(shell_job(command("true")))
            yield arms
            for arm in arms.values():
                arm.client.close()
        finally:
            lab.kill(*lab.processes)


def _start(lab: Production, name: str, statsd_port: int) -> Arm:
    """Start a web process; the one with a ledger sends its figures by statsd as well."""
    port = free_port()
    told = {"statsd_host": "127.0.0.1", "statsd_port": str(statsd_port)} if name == ON else {}
    pid = lab.start("web", name, web_port=str(port), ops=str(name == ON), **told)
    url = f"http://127.0.0.1:{port}"
    until(lambda: _answers(url), f"the web process {name} answers")
    return Arm(Client(url, lab.token), pid)


def _answers(url: str) -> bool:
    client = Client(url)
    try:
        return client.get("/system/version").status == 200
    except OSError:
        return False
    finally:
        client.close()
