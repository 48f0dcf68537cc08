"""How many jobs a second four clients submit over XML-RPC and over REST, to a lab with many devices."""

from __future__ import annotations

import base64
import http.client
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit
from xmlrpc.client import ServerProxy, dumps, loads

from tests.benchmarks.figures import Figure, say
from tests.lab.server import Server, running

CLIENTS = 4
TYPES = 50
DEVICES = 2_000
SECONDS = 10.0
WARM_UP = 50
"""Submissions of each client that are not counted."""
AT_ONCE = 100
JOB = """\
# A job as continuous integration submits it.
job_name: boot and smoke tests of a build
device_type: {device_type}
visibility: public
priority: medium
timeouts:
  job: {{minutes: 30}}
  action: {{minutes: 5}}
  connection: {{minutes: 2}}
metadata: {{build: "1234", branch: main, source: "https://example.org/kernel.git"}}
context: {{arch: arm64, extra_kernel_args: "console=ttyS0,115200 loglevel=7"}}
tags: []
actions:
- deploy:
    to: tftp
    timeout: {{minutes: 10}}
    kernel: {{url: "https://example.org/builds/1234/Image.gz", compression: gz, type: image}}
    dtb: {{url: "https://example.org/builds/1234/board.dtb"}}
    ramdisk: {{url: "https://example.org/builds/1234/rootfs.cpio.gz", compression: gz}}
    os: debian
- boot:
    method: u-boot
    commands: ramdisk
    timeout: {{minutes: 5}}
    auto_login: {{login_prompt: "login:", username: root}}
    prompts: ["root@(.*):~#", "/ #"]
- test:
    timeout: {{minutes: 10}}
    definitions:
    - repository: https://git.example.org/test-definitions.git
      from: git
      path: automated/linux/smoke/smoke.yaml
      name: smoke
      parameters: {{TESTS: "pwd, uname -a, ip a", SKIP_INSTALL: "true"}}
    - from: inline
      name: inline
      path: inline/inline.yaml
      repository:
        metadata: {{format: "Lava-Test Test Definition 1.0", name: inline, description: inline}}
        run: {{steps: ["lava-test-case uname --shell uname -a", "lava-test-case date --shell date"]}}
"""


@dataclass(frozen=True, slots=True)
class Request:
    """What a submission of one job sends, and what tells that it was taken."""

    path: str
    headers: dict[str, str]
    body: bytes
    is_taken: Callable[[int, bytes], bool]


def measure() -> Iterator[Figure]:
    """Yield the rate of each surface."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), "shell=1") as server:
        say(f"adding {TYPES} device types and {DEVICES} devices")
        _fill(server)
        for name, make in (("xmlrpc", _xmlrpc), ("rest", _rest)):
            requests = [make(server, JOB.format(device_type=_type(n))) for n in range(TYPES)]
            rate = _rate(server, requests)
            yield Figure(f"submit_per_second.{name}", round(rate), "jobs/s", "at least 200")


def _fill(server: Server) -> None:
    """Add devices that are not in service, so that nothing but submission is at work."""
    proxy = ServerProxy(server.url.replace("://", f"://{server.user}:{server.token}@") + "/RPC2")
    (worker,) = _value(proxy.scheduler.workers.list())
    calls = [
        ("scheduler.device_types.add", [_type(n), "", True, False, 24, "hours"])
        for n in range(TYPES)
    ]
    calls += [
        (
            "scheduler.devices.add",
            [f"board-{n}", _type(n % TYPES), worker, "", "", True, "MAINTENANCE"],
        )
        for n in range(DEVICES)
    ]
    rest = iter(calls)
    while part := list(islice(rest, AT_ONCE)):
        asked = [{"methodName": name, "params": given} for name, given in part]
        faults = [one for one in _value(proxy.system.multicall(asked)) if isinstance(one, dict)]
        assert not faults, faults[:3]


def _rate(server: Server, requests: list[Request]) -> float:
    """Return how many jobs a second all clients together submit."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda n: _submit(server, requests, n, WARM_UP), range(CLIENTS)))
        until = time.monotonic() + SECONDS
        began = time.monotonic()
        counts = list(pool.map(lambda n: _submit(server, requests, n, None, until), range(CLIENTS)))
        return sum(counts) / (time.monotonic() - began)


def _submit(
    server: Server, requests: list[Request], first: int, count: int | None, until: float = 0
) -> int:
    """Submit a number of jobs, or jobs until a moment, over one connection; return how many."""
    parts = urlsplit(server.url)
    link = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    done = 0
    while done < count if count is not None else time.monotonic() < until:
        request = requests[(first + CLIENTS * done) % len(requests)]
        link.request("POST", request.path, request.body, request.headers)
        answer = link.getresponse()
        body = answer.read()
        assert request.is_taken(answer.status, body), body
        done += 1
    link.close()
    return done


def _xmlrpc(server: Server, text: str) -> Request:
    secret = base64.b64encode(f"{server.user}:{server.token}".encode()).decode()
    return Request(
        "/RPC2",
        {"Authorization": f"Basic {secret}", "Content-Type": "text/xml"},
        dumps((text,), "scheduler.jobs.submit").encode(),
        lambda status, body: status == 200 and isinstance(loads(body)[0][0], int),
    )


def _rest(server: Server, text: str) -> Request:
    return Request(
        "/api/v0.2/jobs/",
        {"Authorization": f"Token {server.token}", "Content-Type": "application/json"},
        json.dumps({"definition": text}).encode(),
        lambda status, _: status == 201,
    )


def _type(number: int) -> str:
    return f"kind-{number}"


def _value(found: object) -> list[object]:
    assert isinstance(found, list), found
    return found
