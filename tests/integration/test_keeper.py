"""The keeper: processes and descriptors outlive their client, and nothing outlives the keeper."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labq.benchlink.keeper import ExitWatch, KeeperClient
from labq.domain.errors import InfrastructureError
from labq.hw.process import Process
from tests.integration.bench_lab import KEEPER, until


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", KEEPER, str(tmp_path)]) as process:
        until((tmp_path / "keeper.sock").exists)
        yield process
        process.terminate()


@pytest.fixture
def client(keeper: subprocess.Popen[bytes], tmp_path: Path) -> Iterator[KeeperClient]:
    made = KeeperClient(tmp_path / "keeper.sock")
    yield made
    made.close()


def a_shell(folder: Path, command: str, io: str = "pty") -> Process:
    return Process(argv=("/bin/sh", "-c", command), cwd=folder, io=io)


def read_until(file: int, text: bytes) -> bytes:
    seen = b""
    while text not in seen:
        ready, _, _ = select.select([file], [], [], 10)
        assert ready, seen
        seen += os.read(file, 1000)
    return seen


def test_a_terminal_is_kept_for_the_next_client(client, tmp_path):
    file = client.spawn("1/main", a_shell(tmp_path, "echo one; read x; echo two $x"))
    assert file is not None
    read_until(file, b"one")
    os.close(file)
    client.close()
    second = KeeperClient(tmp_path / "keeper.sock")
    (entry,) = second.entries()
    assert (entry.key, entry.has_descriptor, entry.code) == ("1/main", True, None)
    file = second.take("1/main")
    os.write(file, b"hello\n")
    read_until(file, b"two hello")
    os.close(file)
    second.close()


def test_a_command_has_its_terminal_as_the_controlling_one(client, tmp_path):
    command = "trap 'exit 3' INT; echo ready >/dev/tty; while :; do sleep 0.1; done"
    file = client.spawn("1/main", a_shell(tmp_path, command))
    assert file is not None
    read_until(file, b"ready")
    os.write(file, b"\x03")
    until(lambda: client.entries()[0].code == 3)
    os.close(file)


def test_a_socketpair_and_no_streams_work_too(client, tmp_path):
    file = client.spawn("1/main", a_shell(tmp_path, "echo hello", "socketpair"))
    assert file is not None
    assert read_until(file, b"hello\n") == b"hello\n"
    os.close(file)
    assert client.spawn("2/main", a_shell(tmp_path, "exit 0", "none")) is None


def test_exits_are_told_with_their_codes(client, tmp_path):
    watch = ExitWatch(tmp_path / "keeper.sock")
    client.spawn("1/main", a_shell(tmp_path, "exit 7", "none"))
    exit_ = watch.take()
    assert exit_ is not None
    assert (exit_.key, exit_.code) == ("1/main", 7)
    client.spawn("2/main", a_shell(tmp_path, "sleep 600", "none"))
    client.signal("2/main", 9)
    exit_ = watch.take()
    assert exit_ is not None
    assert exit_.code == -9
    watch.close()


def test_dropping_kills_the_whole_group(client, tmp_path):
    command = f"sleep 600 & echo $! > {tmp_path}/pid; wait"
    client.spawn("1/main", a_shell(tmp_path, command, "none"))
    pid = int(until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    client.drop("1/main")
    until(lambda: is_dead(pid))
    assert client.entries() == []


def test_a_command_is_asked_to_end_alone_and_killed_with_its_group(client, tmp_path):
    command = (
        f"sleep 600 & echo $! > {tmp_path}/pid; trap 'echo > {tmp_path}/asked' HUP; "
        f"echo > {tmp_path}/ready; while :; do wait; done"
    )
    client.spawn("1/main", a_shell(tmp_path, command, "none"))
    until((tmp_path / "ready").exists)
    pid = int((tmp_path / "pid").read_text())
    client.signal("1/main", signal.SIGHUP)
    until((tmp_path / "asked").exists)
    assert not is_dead(pid)
    client.signal("1/main", signal.SIGKILL)
    until(lambda: is_dead(pid))


def test_what_is_dropped_holds_nothing_any_more(client, tmp_path):
    slow_to_die = (
        "import fcntl, mmap, time; lock = open('lock', 'w'); fcntl.flock(lock, fcntl.LOCK_EX); "
        "memory = b'x' * (256 * 1024 * 1024); open('ready', 'w').close(); time.sleep(600)"
    )
    command = f'{sys.executable} -c "{slow_to_die}" & wait'
    client.spawn("1/main", a_shell(tmp_path, command, "none"))
    until((tmp_path / "ready").exists)
    client.drop("1/main")
    with (tmp_path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_dead(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


def test_descriptors_from_elsewhere_are_kept(client, tmp_path):
    left, right = socket.socketpair()
    with left, right:
        client.keep("1/serial", left.fileno())
        left.close()
        file = client.take("1/serial")
        right.sendall(b"late")
        assert os.read(file, 10) == b"late"
        os.close(file)


def test_what_cannot_be_done_is_said(client, tmp_path):
    with pytest.raises(InfrastructureError, match="no/such"):
        client.spawn("1/main", Process(argv=("/no/such",), cwd=tmp_path, io="pty"))
    with pytest.raises(InfrastructureError):
        client.take("9/main")
    assert client.entries() == []


def test_nonsense_is_answered_and_ends_nothing(client, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
        link.connect(str(tmp_path / "keeper.sock"))
        link.send(b"\xff\xfe")
        assert link.recv(100) == b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
        link.connect(str(tmp_path / "keeper.sock"))
        link.send(b'{"op": "dance"}')
        assert b"dance" in link.recv(1000)
    assert client.entries() == []


def test_a_stopped_keeper_leaves_no_process(client, keeper, tmp_path):
    client.spawn("1/main", a_shell(tmp_path, "sleep 600"))
    pid = client.entries()[0].pid
    keeper.terminate()
    keeper.wait(10)
    until(lambda: is_dead(pid))


def test_a_new_keeper_kills_what_a_killed_one_left(client, keeper, tmp_path):
    client.spawn("1/main", a_shell(tmp_path, "sleep 600", "none"))
    pid = client.entries()[0].pid
    keeper.kill()
    keeper.wait(10)
    assert not is_dead(pid)
    (tmp_path / "keeper.sock").unlink()
    with subprocess.Popen([sys.executable, "-c", KEEPER, str(tmp_path)]) as second:
        until(lambda: is_dead(pid))
        until((tmp_path / "keeper.sock").exists)
        second.terminate()
