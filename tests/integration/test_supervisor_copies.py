"""`labq up` with several conductors and webs, and on a Redis whose data is spoilt."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx

from tests.lab.parts import find
from tests.lab.processes import tree
from tests.lab.server import Server, running
from tests.lab.waiting import until

COPIES = ("--conductors", "2", "--webs", "2")


def _answers(server: Server) -> bool:
    try:
        return httpx.get(f"{server.url}/api/v1/system/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def test_with_two_of_each_one_web_and_one_conductor_are_enough(tmp_path: Path) -> None:
    with running(tmp_path, "", options=COPIES) as server:
        names = [process.name for process in tree(server.pid)]
        assert {"labq:web", "labq:web2", "labq:conductor", "labq:conductor2"} <= set(names)
        gone = [find(server.pid, part) for part in ("web", "conductor")]
        for pid in gone:
            os.kill(pid, signal.SIGKILL)
        until(lambda: _answers(server), "one of each is at work")
        httpx.get(f"{server.url}/static/labq.css", timeout=5).raise_for_status()
        redis = (server.state / "redis").resolve()
    _spoil(redis)
    with running(tmp_path, "") as server:
        assert _answers(server)
        assert "does not start on its data" in (server.state / "log" / "redis.log").read_text()
        assert any((redis / "unreadable").rglob("*.aof*"))


def _spoil(folder: Path) -> None:
    """Put zeros behind what was appended last, as a file system may after a loss of power."""
    path = max(folder.rglob("*.aof"), key=lambda each: each.name)
    with path.open("ab") as out:
        out.write(bytes(300))
