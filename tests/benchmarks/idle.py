"""What a labq costs that has nothing to do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.figures import Figure, say
from tests.lab import parts
from tests.lab.client import Client
from tests.lab.devices import shell_job
from tests.lab.jobs import say as command
from tests.lab.processes import proportional_bytes
from tests.lab.server import running

SECONDS = 40.0
SETTLE_SECONDS = 10.0


def measure(folder: Path) -> Iterator[Figure]:
    """Run one job so that everything is loaded, let it settle, then look at memory and CPU time."""
    with running(folder, "shell=4,uml=1,qemu=1,uboot=1") as server:
        client = Client(server.url, server.token)
        client.run(shell_job(command("true")))
        client.close()
        time.sleep(SETTLE_SECONDS)
        before = parts.cpu_seconds(server.pid)
        started = time.monotonic()
        say(f"idle for {SECONDS:g} s")
        time.sleep(SECONDS)
        used = parts.cpu_seconds(server.pid) - before
        share = 100 * used / (time.monotonic() - started)
        memory = proportional_bytes(parts.own(server.pid)) / 2**20
    yield Figure("idle_server_mib", round(memory, 1), "MiB", "at most 350")
    yield Figure("idle_cpu_percent", round(share, 2), "% of one core", "at most 1")
