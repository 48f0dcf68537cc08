"""Many light jobs at once: how many a minute, what each costs, what the host needs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import Figure, say
from tests.lab import parts
from tests.lab.client import Client
from tests.lab.devices import shell_job
from tests.lab.jobs import say as command
from tests.lab.jobs import wait_for_file
from tests.lab.processes import proportional_bytes
from tests.lab.server import running
from tests.lab.waiting import until

DEVICES = 50
MANY_DEVICES = 100
JOBS = 300
COMMANDS = 5
LIMIT_SECONDS = 600.0


def light_job() -> str:
    """Return the definition of a job that does next to nothing."""
    return shell_job(*(command(f"echo {n}", f"case-{n}") for n in range(COMMANDS)))


def measure_rate(folder: Path) -> Iterator[Figure]:
    """Submit all jobs as fast as they are taken and wait for the last to end."""
    definition = light_job()
    with running(folder, f"shell={DEVICES}") as server:
        client = Client(server.url, server.token)
        client.run(definition)
        before = parts.cpu_seconds(server.pid)
        submitted = [client.submit(definition) for _ in range(JOBS)]
        say(f"{JOBS} jobs submitted")
        ended = _wait(client, submitted)
        used = parts.cpu_seconds(server.pid) - before
        client.close()
    first = min(_moment(job["submitted_at"]) for job in ended)
    last = max(_moment(job["ended_at"]) for job in ended)
    rate = 60 * JOBS / (last - first).total_seconds()
    yield Figure("light_jobs_per_minute", round(rate, 1), "jobs/min", "at least 600 (LAVA 168)")
    yield Figure(
        "light_job_cpu_seconds",
        round(used / JOBS, 4),
        "CPU s/job",
        "at most 0.09 (LAVA 0.5 to 2.0)",
    )


def _wait(client: Client, submitted: list[int]) -> list[dict[str, str]]:
    """Ask for the last job only, seldom, then once for each: the driver shares the cores."""
    until(
        lambda: client.job(submitted[-1])["state"] == "finished",
        "the last job is over",
        LIMIT_SECONDS,
        pause=0.5,
    )
    shown = [client.finish(job, LIMIT_SECONDS) for job in submitted]
    wrong = [job["id"] for job in shown if job["outcome"] != "complete"]
    assert not wrong, f"{len(wrong)} jobs are not complete: {wrong[:5]}"
    return shown


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def measure_memory(folder: Path) -> Iterator[Figure]:
    """Hold fifty jobs in their test step and look at the host's processes."""
    memory = _memory(folder, DEVICES)
    yield Figure("light_jobs_host_mib", memory, "MiB", "at most 300 (LAVA 1,400 to 2,000)")


def measure_host(folder: Path) -> Iterator[Figure]:
    """The same with a hundred devices and as many tests."""
    yield Figure("host_memory_mib", _memory(folder, MANY_DEVICES), "MiB", "at most 400")


def _memory(folder: Path, devices: int) -> float:
    """Return the memory of a host, in MiB, while every device of it runs a test."""
    release = folder / "release"
    definition = shell_job(
        command(wait_for_file(release), "held"), timeout_seconds=int(LIMIT_SECONDS)
    )
    with running(folder, f"shell={devices}") as server:
        client = Client(server.url, server.token)
        submitted = [client.submit(definition) for _ in range(devices)]
        until(
            lambda: all(_is_testing(client.job(job)) for job in submitted),
            f"{devices} jobs run at once",
            LIMIT_SECONDS,
            pause=1.0,
        )
        time.sleep(2)
        memory = proportional_bytes(parts.host(server.pid)) / 2**20
        release.touch()
        _wait(client, submitted)
        client.close()
    return round(memory, 1)


def _is_testing(shown: dict[str, Any]) -> bool:
    steps = [step for run in shown["runs"] for step in run["steps"]]
    return any(step["kind"] == "test" and step["state"] == "running" for step in steps)
