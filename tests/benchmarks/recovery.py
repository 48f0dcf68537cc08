"""How soon a killed worker's step goes on, another conductor leads, and a canceled job is off."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2

from labq.supervisor.crew import WELL_SECONDS
from tests.benchmarks.figures import Figure, percentile, say
from tests.chaos import board as boards
from tests.chaos.board import Board
from tests.lab import parts
from tests.lab.client import Client
from tests.lab.devices import shell_job
from tests.lab.files import FileServer, serve
from tests.lab.jobs import say as command
from tests.lab.jobs import wait_for_file
from tests.lab.production import DATABASE, Production
from tests.lab.production import server as production
from tests.lab.server import Server, running
from tests.lab.waiting import until

KILLS = 20
CANCELS = 50
LONGEST_SECONDS = 120.0
RESULTS = 3000
"""Of a job that reports one each 50 ms: more than it comes to."""


def measure_failover(folder: Path) -> Iterator[Figure]:
    """Kill and stop the leading conductor in turn; a job on each of two devices reports results."""
    with production(folder, "shell=2") as lab, closing(lab.client()) as client:
        lab.start("conductor", "conductor-2")
        reporting = shell_job(
            *(command("sleep 0.05", f"case-{number}") for number in range(RESULTS)),
            timeout_seconds=900,
            timeouts={"job": {"minutes": 20}, "action": {"minutes": 15}},
        )
        for _ in range(2):
            client.wait_for(client.submit(reporting), "running")
        waits = [_fail_over(lab, number) for number in range(KILLS)]
    yield _figure("failover_seconds", waits, "at most 6")


def _fail_over(lab: Production, number: int) -> float:
    """Take the leader away and return the seconds until the next event is applied."""
    with closing(psycopg2.connect(lab.postgres.url(DATABASE))) as link:
        link.autocommit = True
        holder = until(lambda: _leader(link), "a conductor leads")
        name = next(key for key, each in lab.processes.items() if each.pid == holder)
        until(lambda: _waits_to_lead(lab, name), "another one waits to lead")
        term, began = _value(link, "SELECT term FROM leader"), time.monotonic()
        os.kill(holder, signal.SIGSTOP if number % 2 else signal.SIGKILL)
        until(lambda: _value(link, "SELECT term FROM leader") != term, "another term", pause=0.01)
        sequence = _value(link, "SELECT sequence FROM host")
        until(lambda: _value(link, "SELECT sequence FROM host") != sequence, "events", pause=0.01)
        waited = time.monotonic() - began
    if number % 2:
        os.kill(holder, signal.SIGCONT)
    else:
        lab.processes.pop(name).wait()
        lab.start("conductor", name)
    say(f"{number + 1} of {KILLS}: {waited:.2f} s")
    return waited


def _leader(link: Any) -> int:
    holder = _value(link, "SELECT holder FROM leader WHERE until > clock_timestamp()")
    return int(holder.split(":")[1]) if holder else 0


def _waits_to_lead(lab: Production, leader: str) -> bool:
    """Tell whether the conductor that does not lead does nothing else."""
    other = next(name for name in ("conductor", "conductor-2") if name != leader)
    lines = lab.log(other).read_text().splitlines()
    return bool(lines) and ("waits to lead" in lines[-1] or "leads no more" in lines[-1])


def _value(link: Any, query: str) -> Any:
    with link.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
        return row[0] if row else None


def measure_step_recovery(folder: Path) -> Iterator[Figure]:
    """Kill the worker of a running test step; until its next worker has the step."""
    release = folder / "release"
    with running(folder, "shell=1") as server, closing(_client(server)) as client:
        definition = shell_job(command(wait_for_file(release), "held"))
        waits = []
        for number in range(KILLS):
            # A process that ends sooner than this after its start is started again with a pause.
            time.sleep(WELL_SECONDS)
            release.unlink(missing_ok=True)
            job = client.submit(definition)
            until(lambda job=job: _is_testing(client, job), "the test runs")
            waits.append(_recover(server, client, job))
            release.touch()
            done = client.finish(job, LONGEST_SECONDS)
            assert done["outcome"] == "complete", done
            say(f"{number + 1} of {KILLS}: {waits[-1]:.2f} s")
    yield _figure("step_recovery_seconds", waits, "at most 3")


def _recover(server: Server, client: Client, job: int) -> float:
    before = _test_step(client, job)["begins"]
    killed = datetime.now(UTC)
    os.kill(parts.find(server.pid, "tests"), signal.SIGKILL)
    again = until(
        lambda: _begun_again(client, job, before), "the step begins again", LONGEST_SECONDS
    )
    return (datetime.fromisoformat(again) - killed).total_seconds()


def _begun_again(client: Client, job: int, begins: int) -> str | None:
    step = _test_step(client, job)
    return step["began_at"] if step["begins"] > begins else None


def _test_step(client: Client, job: int) -> dict[str, Any]:
    steps = (step for run in client.job(job)["runs"] for step in run["steps"])
    return next(step for step in steps if step["kind"] == "test")


def _is_testing(client: Client, job: int) -> bool:
    return bool(client.job(job)["runs"]) and _test_step(client, job)["state"] == "running"


def measure_cancel(folder: Path) -> Iterator[Figure]:
    """Cancel jobs in their test step and jobs that wait for a slot, by turns; until the device is free."""
    served = folder / "files"
    served.mkdir()
    with (
        serve(served) as files,
        running(folder, "shell=1", {"LABQ_BOOT_SLOTS": "1"}) as server,
        closing(_client(server)) as client,
    ):
        board, blocker = (boards.add(server, folder / name, name) for name in ("one", "two"))
        boards.open_all_but(board, files, "test")
        boards.open_all_but(blocker, files, "boot")
        waits = []
        for number in range(CANCELS):
            if number % 2:
                waits.append(_cancel_running(client, board, files))
            else:
                waits.append(_cancel_waiting(client, board, blocker, files))
            say(f"{number + 1} of {CANCELS}: {waits[-1]:.2f} s")
    yield _figure("cancel_seconds", waits, "at most 5")


def _cancel_running(client: Client, board: Board, files: FileServer) -> float:
    job = client.submit(boards.job(board, files))
    until(lambda: _is_testing(client, job), "the test runs")
    return _cancel(client, job, board)


def _cancel_waiting(client: Client, board: Board, blocker: Board, files: FileServer) -> float:
    """Cancel a job whose boot waits for the only slot, which another one holds."""
    first = client.submit(boards.job(blocker, files))
    until(lambda: _state(client, first, "boot") == "running", "the slot is taken")
    job = client.submit(boards.job(board, files))
    until(lambda: _state(client, job, "deploy") == "done", "the boot is next")
    waited = _cancel(client, job, board)
    _cancel(client, first, blocker)
    return waited


def _state(client: Client, job: int, kind: str) -> str:
    steps = [step for run in client.job(job)["runs"] for step in run["steps"]]
    found = [str(step["state"]) for step in steps if step["kind"] == kind]
    return found[-1] if found else ""


def _cancel(client: Client, job: int, board: Board) -> float:
    began = time.monotonic()
    assert client.post(f"/jobs/{job}/cancel").status < 300
    until(lambda: client.device(board.name)["state"] == "idle", "the device is free", pause=0.02)
    waited = time.monotonic() - began
    assert client.finish(job)["outcome"] == "canceled"
    return waited


def _client(server: Server) -> Client:
    return Client(server.url, server.token)


def _figure(name: str, waits: list[float], against: str) -> Figure:
    return Figure(f"{name}.p95", round(percentile(waits, 95), 2), "s", against)
