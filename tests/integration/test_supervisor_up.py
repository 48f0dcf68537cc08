"""`labq up` as a whole: what it says when it is ready, what it restarts, how it ends."""

from __future__ import annotations

import json
import os
import signal
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from tests.lab.processes import tree
from tests.lab.server import Server, running
from tests.lab.waiting import until

STOP_SECONDS = 10
SERVER_PARTS = ("web", "stream", "conductor", "core", "host")
HOST_PARTS = ("warden", "bench", "steps", "tests", "collect")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a running labq with a shell device."""
    with running(tmp_path_factory.mktemp("up"), "shell=1") as server:
        yield server


def _get(server: Server, path: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {server.token}"}
    return httpx.get(f"{server.url}/api/v1{path}", headers=headers, timeout=20)


def _parts(pid: int) -> Mapping[str, int]:
    """Return the process ids of labq's parts and the servers below a supervisor."""
    names = ((process.name, process.pid) for process in tree(pid)[1:])
    found = {name.removeprefix("labq:"): pid for name, pid in names if name.startswith("labq:")}
    servers = {process.name: process.pid for process in tree(pid) if process.parent == pid}
    redis = next((number for name, number in servers.items() if "-server" in name), 0)
    return {**found, "postgres": servers.get("postgres", 0), "redis": redis}


def _is_well(server: Server) -> bool:
    try:
        answer = _get(server, "/system/health")
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and all(part["is_well"] for part in answer.json()["parts"])


def test_the_ready_file_is_private_and_its_token_works(server: Server) -> None:
    files = (server.state.parent / "ready.json", server.state / "server.json")
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert json.loads(file.read_text()) == {
            "url": server.url,
            "user": server.user,
            "token": server.token,
            "pid": server.pid,
        }
    assert _get(server, "/system/whoami").json() == {"name": server.user, "is_admin": True}


def test_all_parts_run_and_the_asked_device_is_there(server: Server) -> None:
    assert set(_parts(server.pid)) == {*SERVER_PARTS, *HOST_PARTS, "postgres", "redis"}
    until(lambda: _is_well(server), "all is well")
    assert _get(server, "/devices/shell-1").json()["device"]["device_type"] == "shell"


@pytest.mark.parametrize("part", [*SERVER_PARTS, *HOST_PARTS, "postgres", "redis"])
def test_a_killed_part_comes_back_and_all_is_well_again(server: Server, part: str) -> None:
    until(lambda: _is_well(server), "all is well before")
    before = _parts(server.pid)[part]
    os.kill(before, signal.SIGKILL)
    until(lambda: _parts(server.pid).get(part, before) not in (before, 0), f"a new {part}")
    until(lambda: _is_well(server), f"all is well without the old {part}")


def test_one_interrupt_leaves_no_process_and_the_next_start_has_all_data(tmp_path: Path) -> None:
    with running(tmp_path, "shell=1,uml=1") as first:
        assert first.cli("user", "create", "ada").returncode == 0
        everything = [process.pid for process in tree(first.pid)]
        os.kill(first.pid, signal.SIGINT)
        until(lambda: _is_gone(first.pid), "the supervisor ends", STOP_SECONDS)
        assert [pid for pid in everything if not _is_gone(pid)] == []
        assert not (first.state / "server.json").exists()
        said = (tmp_path / "up.log").read_text()
        assert "killed" not in said, said
    with running(tmp_path, "") as second:
        assert second.token == first.token
        assert _get(second, "/users/ada").json()["name"] == "ada"
        assert _get(second, "/devices/uml-1").json()["device"]["device_type"] == "uml"


def test_a_killed_supervisor_leaves_nothing_that_hinders_the_next(tmp_path: Path) -> None:
    with running(tmp_path, "shell=1") as first:
        everything = [process.pid for process in tree(first.pid)]
        os.kill(first.pid, signal.SIGKILL)
        until(lambda: all(_is_gone(pid) for pid in everything), "all parts end", 30)
    with running(tmp_path, "") as second:
        until(lambda: _is_well(second), "all is well")


def test_a_killed_supervisor_with_stopped_servers_can_be_started_again_at_once(
    tmp_path: Path,
) -> None:
    with running(tmp_path, "shell=1") as first:
        everything = [process.pid for process in tree(first.pid)]
        parts = _parts(first.pid)
        for name in ("redis", "postgres", "bench", "tests"):
            os.kill(parts[name], signal.SIGSTOP)
        os.kill(first.pid, signal.SIGKILL)
        until(lambda: _is_gone(first.pid), "the supervisor is dead", 10)
        with running(tmp_path, "") as second:
            until(lambda: _is_well(second), "all is well")
            assert [pid for pid in everything if not _is_gone(pid)] == []


def test_a_state_folder_with_a_long_name_works(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    with running(folder, "shell=1") as server:
        until(lambda: _is_well(server), "all is well")


def _is_gone(pid: int) -> bool:
    """Tell whether a process has ended; one that only waits to be reaped has."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return text.rpartition(")")[2].split()[0] == "Z"
