"""How many lists of jobs a server sends a second, alone and while jobs and results come in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from sqlalchemy.orm import Session
from typing_extensions import override

from labq.domain.events import EventBatch
from labq.services import users
from labq.services.database import Role, make_engine
from labq.services.users import NewUser
from labq.services.visibility import Viewer
from labq.streams import EVENTS_FIELD, dump_event_batch, up_stream
from tests.benchmarks import ingest
from tests.benchmarks.figures import Figure, percentile, say
from tests.benchmarks.million import PROFILE, Site, figure, kept_site, part, site
from tests.lab.devices import shell_job
from tests.lab.filled import filled
from tests.lab.jobs import say as command

CLIENTS = 16
SECONDS = float(os.environ.get("LABQ_BENCH_SECONDS", "20"))
WEBS = int(os.environ.get("LABQ_BENCH_WEBS", "2"))
WARM_UP_SECONDS = 3.0
SETTLE_SECONDS = min(40.0, 2 * SECONDS)
"""Until the conductor has scheduled what waits, and given up the hosts that are in the data alone."""
JOBS_PER_SECOND = 5
CASES_PER_SECOND = 1_000
RUNS = 20
"""Runs whose results come in."""
PAUSE_SECONDS = 0.1
HOST, USER = "feeder", "fill-user"


def measure_reads(folder: Path) -> Iterator[Figure]:
    """Read as an ordinary user, whose lists no cache has."""
    with kept_site(folder, webs=WEBS) as found:
        with _reading(found, WARM_UP_SECONDS) as reader:
            _rate(reader)
        with _reading(found) as reader:
            rate = _rate(reader)
    against = f"at least 400 ({WEBS} web processes)"
    yield figure("reads_per_second", round(rate), "answers/s", against)


def measure_mixed(folder: Path) -> Iterator[Figure]:
    """Submit to an idle server; then submit, report results and read at the same time."""
    with (
        filled(PROFILE, folder=folder, settings={}) as data,
        site(folder, data, webs=WEBS) as found,
    ):
        runs = _runs(data.url)
        with part(folder, found, "conductor", "conductor"):
            time.sleep(SETTLE_SECONDS)
            idle = _submit(found)
            with _feeding(found, runs) as feeder, _reading(found) as reader:
                busy = _submit(found)
                rate = _rate(reader)
            stored = _stored(data.url) / feeder.seconds
    yield from _figures(idle, busy, rate, stored)


def _figures(idle: list[float], busy: list[float], rate: float, stored: float) -> Iterator[Figure]:
    quiet, loaded = percentile(idle, 95), percentile(busy, 95)
    against = f"at least 150 ({WEBS} web processes)"
    yield figure("mixed_reads_per_second", round(rate), "answers/s", against)
    yield figure("mixed_submit_ms.p95", round(loaded, 1), "ms", f"at most {2 * quiet:.1f}")
    yield figure("mixed_submit_ms.idle_p95", round(quiet, 1), "ms", "no goal")
    yield figure("mixed_submit_ratio", round(loaded / quiet, 2), "times idle", "at most 2")
    yield figure("mixed_cases_per_second", round(stored), "cases/s", f"{CASES_PER_SECOND} sent")


@contextmanager
def _reading(found: Site, seconds: float = SECONDS) -> Iterator[subprocess.Popen[str]]:
    """Run the readers for a while."""
    words = (
        sys.executable,
        "-m",
        "tests.benchmarks.readers",
        found.url,
        str(CLIENTS),
        str(seconds),
    )
    token = found.data.facts["tokens"][USER]
    with subprocess.Popen(
        words,
        env={**os.environ, "LABQ_TOKEN": token},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def _rate(reader: subprocess.Popen[str]) -> float:
    """Wait for the readers and return what they were answered a second."""
    out, _ = reader.communicate(timeout=SECONDS + 60)
    counts = json.loads(out)
    assert not counts["bad"], f"{counts['bad']} requests were not answered by a list"
    return float(counts["good"] / counts["seconds"])


def _submit(found: Site) -> list[float]:
    """Submit jobs for a while at their rate; return milliseconds by this client."""
    definition, client = shell_job(command("true")), found.client(USER)
    client.submit(definition)
    taken, began = [], time.monotonic()
    for number in range(round(SECONDS * JOBS_PER_SECOND)):
        time.sleep(max(0.0, began + number / JOBS_PER_SECOND - time.monotonic()))
        asked = time.perf_counter()
        client.submit(definition)
        taken.append(1000 * (time.perf_counter() - asked))
    client.close()
    say(f"{len(taken)} jobs submitted: half of them in {percentile(taken, 50):.1f} ms")
    return taken


def _runs(url: str) -> list[int]:
    """Make a host with runs in their test step, on a device type of their own."""
    engine = make_engine(url, Role.COMMAND)
    with Session(engine) as session, session.begin():
        user = users.create(session, NewUser(name=HOST), now=ingest.now())
        viewer = Viewer(user_id=user.id, name=HOST)
        runs = [ingest.run_in_test(session, viewer, HOST, board) for board in range(RUNS)]
    engine.dispose()
    return runs


class Feeder(threading.Thread):
    """Puts results into a host's stream at their rate until it is told to stop."""

    def __init__(self, redis_url: str, runs: list[int]) -> None:
        super().__init__()
        self.stop = threading.Event()
        self.seconds = 0.0
        self._redis_url, self._runs = redis_url, runs

    @override
    def run(self) -> None:
        """Send an entry every PAUSE_SECONDS."""
        began, each = time.monotonic(), round(CASES_PER_SECOND * PAUSE_SECONDS)
        sent = 0
        with redis.Redis.from_url(self._redis_url) as client:
            while not self.stop.wait(max(0.0, began + self.seconds - time.monotonic())):
                events = tuple(
                    ingest.result(self._runs[number % RUNS], number // RUNS)
                    for number in range(sent, sent + each)
                )
                batch = EventBatch(first=sent + 1, events=events)
                client.xadd(up_stream(HOST), {EVENTS_FIELD: dump_event_batch(batch)})
                sent += each
                self.seconds += PAUSE_SECONDS


@contextmanager
def _feeding(found: Site, runs: list[int]) -> Iterator[Feeder]:
    feeder = Feeder(found.redis_url, runs)
    feeder.start()
    try:
        yield feeder
    finally:
        feeder.stop.set()
        feeder.join()


def _stored(url: str) -> int:
    """Return how many results of the host were applied so far."""
    engine = make_engine(url, Role.COMMAND)
    with engine.connect() as connection:
        query = f"SELECT sequence FROM host WHERE name = '{HOST}'"
        found = connection.exec_driver_sql(query).scalar_one()
    engine.dispose()
    return int(found)
