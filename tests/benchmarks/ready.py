"""How soon a lab host that is started does its first step."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.figures import Figure, median, say
from tests.lab import hosts
from tests.lab.client import Client
from tests.lab.devices import shell_job
from tests.lab.hosts import JoinedHost
from tests.lab.jobs import say as command
from tests.lab.server import Server, free_port, running

NAME = "ready"
STARTS = 5
SHELL = "{% extends 'shell.jinja2' %}\n"


def measure(folder: Path) -> Iterator[Figure]:
    """Start a host that joined by TLS, again and again, while a job waits for its device."""
    settings = {"LABQ_HOSTS_ADDRESS": f"127.0.0.1:{free_port()}"}
    with running(folder, "shell=0", settings) as server:
        host = hosts.join(server, NAME, folder)
        words = ("device", "add", "ready-1", "-", "--type", "shell", "--health", "good")
        done = server.cli(*words, "--host", NAME, stdin=SHELL)
        assert done.returncode == 0, done.stderr
        client = Client(server.url, server.token)
        waits = [_start(server, client, host) for _ in range(STARTS)]
        client.close()
    say(f"{', '.join(f'{wait:.1f}' for wait in waits)} s")
    yield Figure("host_ready_seconds", round(median(waits), 2), "s", "at most 5")


def _start(server: Server, client: Client, host: JoinedHost) -> float:
    """Return the seconds from the start of `labq host run` to the begin of the waiting job."""
    job = client.submit(shell_job(command("true")))
    began = datetime.now(UTC)
    with hosts.running(server, host):
        shown = client.finish(job)
    first = datetime.fromisoformat(shown["runs"][-1]["steps"][0]["began_at"])
    return (first - began).total_seconds()
