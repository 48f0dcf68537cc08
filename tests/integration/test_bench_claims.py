"""Two labqs on one machine never drive one board: locks by what names the board there."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from labq.bench import claims
from labq.benchlink.client import StepSession
from labq.config import Settings
from labq.domain.errors import InfrastructureError
from labq.domain.plan import ConsoleSpec, Plan, PowerSpec
from tests.integration.bench_lab import Lab, a_lab, a_plan, until

OWNER = {"pid": 4711, "user": "eve", "state": "/home/eve/labq", "host": "bench", "run": 9}


@pytest.fixture
def lab(tmp_path: Path, redis_url: str) -> Iterator[Lab]:
    with a_lab(tmp_path, redis_url, LABQ_LOCK_WAIT="0.2") as made:
        yield made


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Path]:
    """Return the unix socket of a console that anybody may connect to."""
    path = tmp_path / "board.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(8)
        yield path


def test_a_board_of_another_labq_fails_the_step_with_the_owners_name(lab: Lab, board: Path) -> None:
    off = lab.folder / "off"
    lab.announce(_plan(board, off=(f"touch {off}",)))
    with _held(lab, board):
        boot = lab.step(1, 0)
        with pytest.raises(InfrastructureError) as refused:
            boot.console()
        told = str(refused.value)
        assert f"path {board} is in use by pid 4711, user eve, state /home/eve/labq" in told
        with pytest.raises(InfrastructureError, match="user eve"):
            boot.power.on()
        _collect(lab, boot)
        until(lambda: any("waits up to" in text for text in lab.messages(1, "warning")))
    assert not off.exists()
    until(lambda: any("power stays as it is" in text for text in lab.messages(1, "warning")))


def test_a_board_is_waited_for_while_another_labq_ends_with_it(
    tmp_path: Path, redis_url: str, board: Path
) -> None:
    with a_lab(tmp_path, redis_url) as lab:
        lab.announce(_plan(board))
        boot = lab.step(1, 0)
        with _held(lab, board):
            opening = Thread(target=boot.console)
            opening.start()
            until(lambda: any("waits up to" in text for text in lab.messages(1, "warning")))
        opening.join(20)
        assert not opening.is_alive()
        owner = json.loads(_file(lab, board).read_bytes())
        assert (owner["run"], owner["pid"], owner["state"]) == (1, lab.bench.pid, str(lab.folder))
        boot.release()


def test_a_claim_outlives_a_killed_bench_and_ends_with_the_run(lab: Lab, board: Path) -> None:
    off = lab.folder / "off"
    lab.announce(_plan(board, off=(f"touch {off}",)))
    boot = lab.step(1, 0)
    boot.console()
    assert _is_held(lab, board)
    lab.kill_bench()
    assert _is_held(lab, board)
    lab.start_bench()
    assert _is_held(lab, board)
    _collect(lab, boot)
    until(lambda: not _is_held(lab, board))
    assert off.exists()


@pytest.mark.parametrize("kind", ["symlink", "hard link", "fifo", "folder"])
def test_what_somebody_put_in_the_place_of_a_lock_is_not_touched(
    lab: Lab, board: Path, kind: str
) -> None:
    victim = lab.folder / "victim"
    victim.write_text("precious")
    _put(kind, _file(lab, board), victim)
    lab.announce(_plan(board))
    boot = lab.step(1, 0)
    with pytest.raises(InfrastructureError, match="see whose it is, and remove it"):
        boot.console()
    assert victim.read_text() == "precious"
    boot.release()


def test_all_users_of_a_machine_can_lock_what_one_has_made(lab: Lab, board: Path) -> None:
    lab.announce(_plan(board))
    boot = lab.step(1, 0)
    boot.console()
    assert stat.S_IMODE(_file(lab, board).stat().st_mode) == 0o666
    boot.release()


def test_the_folder_of_locks_is_one_that_all_users_share(tmp_path: Path) -> None:
    folder = claims.lock_folder(Settings(state=tmp_path))
    found = folder.stat()
    is_shared = bool(found.st_mode & stat.S_IWOTH)
    assert not is_shared or found.st_mode & stat.S_ISVTX
    assert claims.lock_folder(Settings(state=tmp_path, lock_folder=tmp_path)) == tmp_path


def _plan(board: Path, off: tuple[str, ...] = ()) -> Plan:
    console = ConsoleSpec(channel="main", kind="url", url=f"unix://{board}")
    power = PowerSpec(kind="command", on=("true",), off=off or ("true",))
    return a_plan(1, consoles=(console,), power=power)


def _file(lab: Lab, board: Path) -> Path:
    return claims.lock_file(lab.folder, f"path {board}")


@contextmanager
def _held(lab: Lab, board: Path) -> Iterator[None]:
    """Hold a board as another labq would."""
    path = _file(lab, board)
    path.write_text(json.dumps(OWNER))
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_held(lab: Lab, board: Path) -> bool:
    with _file(lab, board).open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _collect(lab: Lab, boot: StepSession) -> None:
    """Go to collect, switch off and end the run."""
    boot.release()
    lab.announce(_plan(lab.folder / "unused"), epoch=2, following=2, reason="over")
    last = lab.step(1, 2, epoch=2)
    last.power.off()
    last.end()
    last.release()


def _put(kind: str, path: Path, victim: Path) -> None:
    match kind:
        case "symlink":
            path.symlink_to(victim)
        case "hard link":
            path.hardlink_to(victim)
        case "fifo":
            os.mkfifo(path)
        case _:
            path.mkdir()
