"""The way of a line from the device's console to the stored log and to who reads along."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.figures import Figure, percentile, say
from tests.lab import devices
from tests.lab.client import Client
from tests.lab.jobs import say as command
from tests.lab.live import follow
from tests.lab.server import Server, running
from tests.lab.waiting import until

LINES = 200_000
WIDTH = 80
RATE = 2000
LAG_SECONDS = 20
START_MARK = "bench-begins"
END_MARK = "bench-is-over"


def measure_rate(folder: Path) -> Iterator[Figure]:
    """Let one device print a file of lines, wait until the server has stored all of them."""
    content = folder / "lines"
    lines = [f"{number:07d} ".ljust(WIDTH - 1, "x") for number in range(LINES)]
    content.write_text("\n".join(lines) + "\n")
    stamp = folder / "stamp"
    shown = f"date +%s.%N > {shlex.quote(str(stamp))}; cat {shlex.quote(str(content))}"
    with running(folder, "shell=1") as server:
        client = Client(server.url, server.token)
        job = client.submit(devices.shell_job(command(f"{shown}; echo {END_MARK}", "flood")))
        stored = _wait_for_end(client, job)
        assert client.finish(job)["outcome"] == "complete"
        _compare(lines, [line["msg"] for line in client.lines(job) if line["lvl"] == "target"])
        client.close()
    rate = LINES / (stored - float(stamp.read_text()))
    yield Figure(
        "log_lines_per_second",
        round(rate),
        f"lines/s of {WIDTH} bytes",
        "at least 60,000 (LAVA 6,400 to 10,700)",
    )


def _wait_for_end(client: Client, job: int) -> float:
    """Return the wall time when the line after the last is stored; read by offset, cheaply."""
    offset = 0
    tail = b""
    limit = time.monotonic() + 300
    while time.monotonic() < limit:
        answer = client.get(f"/jobs/{job}/log", offset=offset)
        if answer.status != 200 or not answer.body:
            time.sleep(0.01)
            continue
        offset += len(answer.body)
        tail = tail[-200:] + answer.body
        if f'"msg": "{END_MARK}"'.encode() in tail:
            return time.clock_gettime(time.CLOCK_REALTIME)
    raise AssertionError(f"the log is not stored after 300 s: {offset} bytes are")


def _compare(sent: list[str], stored: list[str]) -> None:
    first = stored.index(sent[0])
    assert stored[first : first + len(sent)] == sent, "the stored lines differ from those sent"
    assert sum(line in (sent[0], sent[-1]) for line in stored) == 2, "lines are doubled"


# The device stamps each line as it writes it; a burst every 10 ms keeps the rate.
EMITTER = """
import sys, time
rate, seconds = int(sys.argv[1]), int(sys.argv[2])
started = time.monotonic()
for burst in range(seconds * 100):
    time.sleep(max(0, started + burst / 100 - time.monotonic()))
    for number in range(rate // 100):
        print(f"lag {time.clock_gettime(0):.6f}".ljust(79, "x"), flush=True)
"""


def measure_lag(folder: Path) -> Iterator[Figure]:
    """Let one device print stamped lines and compare the stamps with their arrival at a reader."""
    emitter = folder / "emitter.py"
    emitter.write_text(EMITTER)
    words = (sys.executable, str(emitter), str(RATE), str(LAG_SECONDS))
    with running(folder, "shell=1") as server:
        lags = list(_lags(server, f"{shlex.join(words)}; echo {END_MARK}"))
    say(f"{len(lags)} lines arrived")
    assert len(lags) == RATE * LAG_SECONDS, "lines are missing"
    for share, against in ((50, "no goal"), (95, "at most 300")):
        yield Figure(f"log_lag_ms.p{share}", round(percentile(lags, share), 1), "ms", against)


def _lags(server: Server, shown: str) -> Iterator[float]:
    client = Client(server.url, server.token)
    job = client.submit(devices.shell_job(command(shown, "flood")))
    until(lambda: client.job(job)["state"] != "submitted", "the job has started")
    for arrived, content in follow(server, job):
        message = str(content)
        if message.startswith("lag 1"):
            yield (arrived - float(message[4:].rstrip("x"))) * 1000
        if message == END_MARK:
            break
    client.finish(job)
    client.close()
