"""kill -9 of supervisors: nothing outlives them unwatched, and the runs go on or end truly."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.board import CASES, LINES, Board
from tests.chaos.conftest import Ground
from tests.chaos.test_kill import hold, is_at_gate, kill, release
from tests.lab import parts
from tests.lab.processes import tree
from tests.lab.waiting import until


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended; one that only waits to be reaped has."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return text.rpartition(")")[2].split()[0] == "Z"


def below_host(ground: Ground) -> list[int]:
    """Return everything that runs below the host's supervisor."""
    return [process.pid for process in tree(parts.find(ground.server.pid, "host"))]


def judge(ground: Ground, board: Board, job: int, shown: dict[str, object]) -> None:
    """Check that the job ended well although its first pass was lost, and nothing was driven twice."""
    log = ground.client.log(job).decode()
    assert shown["outcome"] == "complete", (shown["error"], log[-3000:])
    cases = Counter(
        case["name"] for case in ground.client.results(job) if case["suite"] == "0_session"
    )
    assert cases == {f"case-{number}": 1 for number in range(CASES)}
    lines = {line["msg"] for line in ground.client.lines(job) if line["lvl"] == "target"}
    assert {f"late-{n}-of-{n}" for n in range(1, LINES + 1)} <= lines
    assert board.violations() == []
    until(lambda: ground.client.device(board.name)["state"] == "idle", "the device is idle", 20)


@pytest.mark.parametrize("step", ["collect"])
def test_a_step_whose_supervisor_is_killed_is_done_again(ground: Ground, step: str) -> None:
    board, job = hold(ground, step)
    kill(ground, "host")
    judge(ground, board, job, release(ground, board, job, step))


def test_a_test_whose_supervisor_is_killed_goes_back_to_its_boot_and_says_so(
    ground: Ground,
) -> None:
    board, job = hold(ground, "test")
    below = below_host(ground)
    sessions = board.sessions()
    kill(ground, "host")
    until(lambda: all(is_gone(pid) for pid in below), "nothing of the old host is left", 20)
    until(lambda: is_at_gate(ground, board, job, "test"), "the test is reached again", 60)
    judge(ground, board, job, release(ground, board, job, "test"))
    assert board.sessions() == sessions + 1
    warnings = [line["msg"] for line in ground.client.lines(job) if line["lvl"] == "warning"]
    assert any("output may be missing" in str(message) for message in warnings), warnings


def host_pid(ground: Ground) -> int:
    """Return the process of the host's supervisor, 0 while there is none."""
    try:
        return parts.find(ground.server.pid, "host")
    except AssertionError:
        return 0


def test_a_supervisor_killed_with_all_its_parts_while_its_bench_is_stopped_is_no_harm(
    ground: Ground,
) -> None:
    board, job = hold(ground, "test")
    own = parts.host(ground.server.pid)
    old = parts.find(ground.server.pid, "host")
    bench = parts.find(ground.server.pid, "bench")
    os.kill(bench, signal.SIGSTOP)
    for pid in set(own) - {bench}:
        os.kill(pid, signal.SIGKILL)
    until(lambda: host_pid(ground) not in (0, old), "a new supervisor", 40)
    until(lambda: is_gone(bench), "the stopped bench ends", 10)
    until(lambda: is_at_gate(ground, board, job, "test"), "the test is reached again", 60)
    judge(ground, board, job, release(ground, board, job, "test"))
