"""kill -9 of every part in every step: one true outcome, nothing lost, nothing twice."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import board as boards
from tests.chaos.board import CASES, LINES, STEPS, Board
from tests.chaos.conftest import Ground
from tests.lab import parts
from tests.lab.waiting import until

WORKER = {"download": "steps", "deploy": "steps", "boot": "steps", "test": "tests"}
RECOVERY_SECONDS = 150
Job = dict[str, Any]


def hold(ground: Ground, step: str) -> tuple[Board, int]:
    """Bring a job into one of its steps and hold it there."""
    board = ground.board()
    boards.open_all_but(board, ground.files, step)
    job = ground.client.submit(boards.job(board, ground.files))
    until(lambda: is_at_gate(ground, board, job, step), f"job {job} is held in {step}")
    return board, job


def is_at_gate(ground: Ground, board: Board, job: int, step: str) -> bool:
    """Tell whether the step does what its gate holds."""
    shown = ground.client.job(job)
    running = [s["kind"] for run in shown["runs"] for s in run["steps"] if s["state"] == "running"]
    if running != [step]:
        return False
    if step == "download":
        return ground.files.gates.asked.get(f"{board.name}.bin", 0) > 0
    if step == "boot":
        return board.sessions() > 0
    return step != "test" or b'"msg": "line-%d-of-%d"' % (LINES, LINES) in ground.client.stored(job)


def kill(ground: Ground, part: str) -> None:
    """End a part at once; it is another process when this returns."""
    pid = parts.find(ground.server.pid, part)
    os.kill(pid, signal.SIGKILL)
    until(lambda: _is_back(ground, part, pid), f"{part} is started again", 40)


def _is_back(ground: Ground, part: str, old: int) -> bool:
    try:
        return parts.find(ground.server.pid, part) != old
    except AssertionError:
        return False


def release(ground: Ground, board: Board, job: int, step: str) -> Job:
    """Let the held step go on and return the finished job."""
    boards.open_step(board, ground.files, step)
    return ground.client.finish(job, RECOVERY_SECONDS)


def judge(ground: Ground, board: Board, job: Job) -> None:
    """Check that nothing was lost, doubled or driven twice."""
    log = ground.client.log(job["id"]).decode()
    assert job["outcome"] == "complete", (job["error"], log[-3000:])
    cases = Counter(
        case["name"] for case in ground.client.results(job["id"]) if case["suite"] == "0_session"
    )
    assert cases == {f"case-{number}": 1 for number in range(CASES)}
    shown = Counter(
        line["msg"] for line in ground.client.lines(job["id"]) if line["lvl"] == "target"
    )
    for word in ("line", "late"):
        lines = {n: shown[f"{word}-{n}-of-{n}"] for n in range(1, LINES + 1)}
        assert set(lines.values()) == {1}, lines
    assert board.violations() == []
    until(lambda: ground.client.device(board.name)["state"] == "idle", "the device is idle", 20)
    assert [step["state"] for step in job["runs"][-1]["steps"]] == ["done"] * 6


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_killed_in_a_step_is_replaced(ground: Ground, step: str) -> None:
    board, job = hold(ground, step)
    kill(ground, WORKER.get(step, "collect"))
    judge(ground, board, release(ground, board, job, step))


@pytest.mark.parametrize("step", ["download", "boot", "test", "collect"])
def test_a_bench_killed_in_a_step_gives_the_hold_back(ground: Ground, step: str) -> None:
    board, job = hold(ground, step)
    kill(ground, "bench")
    judge(ground, board, release(ground, board, job, step))


def test_a_bench_killed_in_the_middle_of_output_loses_none_of_it(ground: Ground) -> None:
    board, job = hold(ground, "test")
    board.open("test")
    kill(ground, "bench")
    judge(ground, board, ground.client.finish(job, RECOVERY_SECONDS))


def test_a_conductor_killed_while_a_job_runs_is_replaced(ground: Ground) -> None:
    board, job = hold(ground, "test")
    kill(ground, "conductor")
    judge(ground, board, release(ground, board, job, "test"))


def test_a_job_submitted_while_the_conductor_is_dead_runs(ground: Ground) -> None:
    board = ground.board()
    boards.open_all_but(board, ground.files, "test")
    os.kill(parts.find(ground.server.pid, "conductor"), signal.SIGKILL)
    job = ground.client.submit(boards.job(board, ground.files))
    judge(ground, board, release(ground, board, job, "test"))


def test_redis_killed_with_its_data_is_no_harm(ground: Ground) -> None:
    board, job = hold(ground, "test")
    kill(ground, "redis")
    judge(ground, board, release(ground, board, job, "test"))


def test_redis_killed_and_emptied_is_no_harm(ground: Ground) -> None:
    board, job = hold(ground, "test")
    empty(redis_folder(ground))
    kill(ground, "redis")
    judge(ground, board, release(ground, board, job, "test"))


def test_redis_emptied_while_a_job_waits_for_its_first_step_is_no_harm(ground: Ground) -> None:
    board = ground.board()
    boards.open_all_but(board, ground.files, "test")
    job = ground.client.submit(boards.job(board, ground.files))
    empty(redis_folder(ground))
    kill(ground, "redis")
    judge(ground, board, release(ground, board, job, "test"))


def redis_folder(ground: Ground) -> Path:
    """Return where the private Redis keeps its data."""
    return Path("/proc") / str(parts.find(ground.server.pid, "redis")) / "cwd"


def empty(folder: Path) -> None:
    """Remove a Redis server's data, not its configuration."""
    for path in folder.resolve().rglob("*"):
        if path.is_file() and path.suffix in (".aof", ".rdb", ".manifest"):
            path.unlink()


def test_a_canceled_job_whose_worker_is_killed_is_still_torn_down(ground: Ground) -> None:
    board, job = hold(ground, "test")
    ground.client.post(f"/jobs/{job}/cancel")
    kill(ground, "tests")
    shown = ground.client.finish(job, RECOVERY_SECONDS)
    assert shown["outcome"] == "canceled"
    assert board.violations() == []
    until(lambda: ground.client.device(board.name)["state"] == "idle", "the device is idle", 20)


def answers(ground: Ground) -> bool:
    """Tell whether the web server is there."""
    try:
        return ground.client.get("/system/version").status == 200
    except OSError:
        ground.client.close()
        return False


PARTS = ("steps", "tests", "collect", "bench", "conductor", "web", "stream", "core")


def test_every_part_killed_one_after_the_other_leaves_a_true_outcome(ground: Ground) -> None:
    board, job = hold(ground, "test")
    for part in PARTS:
        kill(ground, part)
    until(lambda: answers(ground), "the web server answers again")
    judge(ground, board, release(ground, board, job, "test"))
