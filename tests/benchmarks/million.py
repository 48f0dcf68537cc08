"""A server on filled data, and what its ledger says that requests took.

`LABQ_BENCH_PROFILE` names another profile of `labq db fill`: `small` shows in a minute that all of it
works. The data is made once on a machine and kept (`tests.lab.filled`); what only reads uses it in its
place, before a PostgreSQL with the settings of `labq up`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from labq.supervisor import redis as redis_server
from tests.benchmarks.figures import Figure, say
from tests.lab import places, programs
from tests.lab.client import Client
from tests.lab.filled import Filled, filled
from tests.lab.server import free_port, program
from tests.lab.waiting import until

FULL = "million"
PROFILE = os.environ.get("LABQ_BENCH_PROFILE", FULL)
ROUNDS = int(os.environ.get("LABQ_BENCH_ROUNDS", "200"))
BATCH = 100
"""Requests before the ledger is read: it keeps the last 200 of a process."""
WARM_UP = 10
START_SECONDS = 60.0
UNLIMITED = {"LABQ_ANONYMOUS_RATE": "0", "LABQ_TOKEN_RATE": "0"}
ADMIN = "fill-admin"


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds by the ledger and by the client, request by request, and the most statements."""

    server: tuple[float, ...]
    client: tuple[float, ...]
    queries: int


@dataclass(frozen=True, slots=True)
class Site:
    """Web processes at one address, the data behind them, and names in it for addresses."""

    url: str
    data: Filled
    names: Mapping[str, str]
    redis_url: str
    environment: Mapping[str, str]

    def client(self, who: str) -> Client:
        """Return a client of a user; an empty name is a stranger."""
        return Client(self.url, self.data.facts["tokens"][who] if who else "")

    def times(self, who: str, path: str) -> Times:
        """Ask again and again, one request after the other; only for a site of one web process."""
        asker, admin, address = self.client(who), self.client(ADMIN), path.format(**self.names)
        for _ in range(WARM_UP):
            _ask(asker, address)
        found = [_batch(asker, admin, address) for _ in range(max(1, ROUNDS // BATCH))]
        asker.close()
        admin.close()
        return Times(
            tuple(ms for one in found for ms in one.server),
            tuple(ms for one in found for ms in one.client),
            max(one.queries for one in found),
        )


def figure(name: str, value: float, unit: str, against: str) -> Figure:
    """Return a figure; one of another profile has a name of its own, never to be compared."""
    called = name if PROFILE == FULL else f"{name}@{PROFILE}"
    return Figure(called, value, unit, against)


@contextmanager
def kept_site(folder: Path, *, webs: int = 1, **settings: str) -> Iterator[Site]:
    """Run web processes on the kept data in its place: for those who only read."""
    say(f"taking the data of the profile {PROFILE}")
    with (
        filled(PROFILE, folder=folder, in_place=True) as data,
        site(folder, data, webs=webs, **settings) as made,
    ):
        yield made


@contextmanager
def site(folder: Path, data: Filled, *, webs: int = 1, **settings: str) -> Iterator[Site]:
    """Run a Redis and web processes on data; `settings` are those of labq without their LABQ_."""
    folder.mkdir(exist_ok=True)
    broker = redis_server.prepare(folder / "redis")
    plain = {name: text for name, text in os.environ.items() if not name.startswith("LABQ_")}
    port = free_port()
    environment = {
        **plain,
        **UNLIMITED,
        "LABQ_STATE": str(data.state),
        "LABQ_DATABASE_URL": data.url,
        "LABQ_REDIS_URL": broker.url,
        "LABQ_SECRET_KEY": "key of a benchmark",
        "LABQ_WEB_PORT": str(port),
        "LABQ_STREAM_PORT": str(free_port()),
        "LABQ_SHARE_PORT": str(webs > 1),
        "LABQ_LOG_LEVEL": "WARNING",
        **{f"LABQ_{name.upper()}": text for name, text in settings.items()},
    }
    made = Site(f"http://127.0.0.1:{port}", data, places.find(data), broker.url, environment)
    with ExitStack() as stack:
        stack.enter_context(programs.running(broker.argv, broker.folder, broker.is_ready))
        for number in range(webs):
            stack.enter_context(part(folder, made, "web", f"web-{number}"))
        until(lambda: _answers(made), "the web process answers", START_SECONDS)
        yield made


@contextmanager
def part(folder: Path, of: Site, name: str, log: str) -> Iterator[None]:
    """Run a part of the server until the block is left."""
    with (folder / f"{log}.log").open("wb") as output:
        process = subprocess.Popen(
            (program(), name), env=of.environment, stdout=output, stderr=output
        )
    try:
        yield
        assert process.poll() is None, (folder / f"{log}.log").read_text(errors="replace")[-2000:]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _answers(of: Site) -> bool:
    client = of.client("")
    try:
        return client.get("/system/version").status == 200
    except OSError:
        return False
    finally:
        client.close()


def _ask(client: Client, address: str) -> str:
    """Return the id of a request in the ledger."""
    answer = client.ask("GET", address)
    assert answer.status == 200, f"{address}: {answer.text[:500]}"
    return str(answer.headers["Labq-Request"])


def _batch(asker: Client, admin: Client, address: str) -> Times:
    taken: dict[str, float] = {}
    for _ in range(min(BATCH, ROUNDS)):
        began = time.perf_counter()
        request = _ask(asker, address)
        taken[request] = 1000 * (time.perf_counter() - began)
    rows = {row["id"]: row for row in admin.get("/ops/requests", limit=500).json["items"]}
    return Times(
        tuple(rows[request]["ms"] for request in taken),
        tuple(taken.values()),
        max(rows[request]["queries"] for request in taken),
    )
