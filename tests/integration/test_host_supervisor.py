"""A host's supervisor by itself: workers that do not consume, restarts and the end on request."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from labq.bench.canary import message
from labq.benchlink import steward
from labq.benchlink.keeper import KeeperClient
from labq.benchlink.steward import PartStatus
from labq.domain.plan import Queue
from labq.hw.process import Process
from labq.supervisor.programs import find_redis
from tests.lab.processes import tree
from tests.lab.server import free_port, program
from tests.lab.waiting import until

HOST = "alone"


@dataclass(frozen=True, slots=True)
class Host:
    """A running `labq host run`."""

    process: subprocess.Popen[bytes]
    folder: Path
    environment: Mapping[str, str]

    def part(self, name: str) -> PartStatus:
        """Return one of its parts."""
        return next(one for one in steward.status(self.folder).parts if one.name == name)

    def cli(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `labq WORDS` on its machine."""
        return subprocess.run(
            (program(), *words),
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def canary(self, queue: str) -> str:
        """Return the last canary that was answered from a queue."""
        path = self.folder / "canaries" / queue
        return path.read_text() if path.exists() else ""


@contextmanager
def a_redis(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Redis."""
    words = (
        find_redis(),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        folder,
    )
    with subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL) as server:
        yield server
        server.kill()


@contextmanager
def a_host(folder: Path, port: int, **settings: str) -> Iterator[Host]:
    """Run a host without a server's other parts."""
    own = folder / "host"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LABQ_")},
        "LABQ_STATE": str(folder / "state"),
        "LABQ_HOST_FOLDER": str(own),
        "LABQ_HOST": HOST,
        "LABQ_REDIS_URL": f"redis://127.0.0.1:{port}/0",
        **settings,
    }
    with (folder / "output").open("ab") as output:
        process = subprocess.Popen(
            (program(), "host", "run"), env=environment, stdout=output, stderr=output
        )
    try:
        until((own / "bench.sock").exists, "the bench serves", 30)
        yield Host(process, own, environment)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()


def test_a_stopped_worker_is_found_by_its_canary_and_started_again(tmp_path: Path) -> None:
    port = free_port()
    with a_redis(tmp_path, port), a_host(tmp_path, port, LABQ_WORKER_STUCK_SECONDS="2") as host:
        until(lambda: host.canary("test"), "the tests' worker has answered", 20)
        old = host.part("tests").pid
        assert old is not None
        os.kill(old, signal.SIGSTOP)
        until(lambda: host.part("tests").pid not in (old, None), "another worker", 20)
        assert "no longer takes messages from test" in host.part("tests").reason
        before = host.canary("test")
        until(lambda: host.canary("test") != before, "the new worker answers", 20)
        assert host.part("steps").restarts == 0


def test_workers_consume_soon_after_a_redis_that_was_away_at_the_start_and_later(
    tmp_path: Path,
) -> None:
    port = free_port()
    with a_host(tmp_path, port) as host:
        missing = "orders cannot be read"
        until(lambda: _log(host, "bench").count(missing) > 12, "Redis is missed for long", 30)
        until(lambda: _log(host, "tests").count("Trying again") >= 2, "the worker backs off", 30)
        with a_redis(tmp_path, port) as server:
            until(lambda: "Redis is back" in host.part("tests").reason, "a new worker", 20)
            client = redis.Redis(port=port)
            client.lpush(f"{HOST}.test", _canary(1))
            until(lambda: host.canary("test") == "1", "a message is taken", 5)
            client.close()
            server.kill()


def _canary(number: int) -> bytes:
    return message(f"{HOST}.test", Queue.TEST, number)


def _log(host: Host, part: str) -> str:
    path = host.folder / "log" / f"{part}.log"
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("what", ["workers", "bench"])
def test_parts_are_started_again_on_request_with_code_from_disk(tmp_path: Path, what: str) -> None:
    port = free_port()
    with a_redis(tmp_path, port), a_host(tmp_path, port) as host:
        before = {one.name: one.pid for one in steward.status(host.folder).parts}
        done = host.cli("host", "restart", what)
        assert done.returncode == 0, done.stderr
        after = {one.name: one.pid for one in steward.status(host.folder).parts}
        changed = {name for name in before if before[name] != after[name]}
        assert changed == ({"bench"} if what == "bench" else {"steps", "tests", "collect"})
        for name in changed:
            pid = after[name]
            assert pid is not None
            until(lambda p=pid: "labq.supervisor.fresh" in _command(host, p), "its own code", 10)
        until((host.folder / "bench.sock").exists, "the bench serves", 20)
        until(lambda: steward.status(host.folder).leaving == (), "the old workers end", 20)


def _command(host: Host, pid: int) -> str:
    found = [one for one in tree(host.process.pid) if one.pid == pid]
    return found[0].command if found else ""


def test_a_host_that_is_asked_to_stop_leaves_no_process(tmp_path: Path) -> None:
    port = free_port()
    with a_redis(tmp_path, port), a_host(tmp_path, port) as host:
        everything = [one.pid for one in tree(host.process.pid)]
        done = host.cli("host", "stop")
        assert done.returncode == 0, done.stderr
        assert host.process.wait(5) == 0
        assert [pid for pid in everything if Path(f"/proc/{pid}").exists()] == []
        again = host.cli("host", "stop", "--json")
        assert again.returncode == 1
        assert "no supervisor of a host answers" in again.stderr


def test_a_killed_supervisor_takes_along_also_what_left_its_group_and_ignores_the_hangup(
    tmp_path: Path,
) -> None:
    port = free_port()
    with a_redis(tmp_path, port), a_host(tmp_path, port) as host:
        keeper = KeeperClient(host.folder / "keeper.sock")
        command = "trap '' HUP TERM; setsid sleep 86401 & exec sleep 86402"
        words = ("/bin/sh", "-c", command)
        keeper.spawn("1/.emulator", Process(argv=words, cwd=tmp_path, io="none"))
        below = until(
            lambda: _sleepers(host) if len(_sleepers(host)) == 2 else None, "both run", 10
        )
        host.process.kill()
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below), "both end", 20)
        keeper.close()


def _sleepers(host: Host) -> list[int]:
    return [one.pid for one in tree(host.process.pid) if one.command.startswith("sleep 8640")]


def test_a_second_supervisor_of_a_host_folder_is_refused_by_name(tmp_path: Path) -> None:
    port = free_port()
    with a_redis(tmp_path, port), a_host(tmp_path, port) as host:
        second = host.cli("host", "run")
        assert second.returncode == 1
        assert f"process {host.process.pid}" in second.stderr
        assert host.part("bench").restarts == 0
