"""Processes are kept running and ended: with real processes, no labq part among them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from labq.supervisor.crew import pause_before
from tests.lab.processes import Process, tree
from tests.lab.waiting import until


@pytest.fixture
def crew(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """Return a supervisor of three programs, one of which always fails."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.crew_of_programs", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PATIENCE": getattr(request, "param", "1")},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    yield process
    below = tree(process.pid)[1:]
    process.kill()
    process.wait()
    process.stdout.close()
    _kill(below)


def _kill(processes: Iterable[Process]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def _find(crew: subprocess.Popen[str], command: str) -> int | None:
    found = [process.pid for process in tree(crew.pid) if process.command == command]
    return found[0] if found else None


def _wait_for(crew: subprocess.Popen[str], command: str, other_than: int = 0) -> int:
    until(
        lambda: (_find(crew, command) or other_than) != other_than,
        f"a process {command} that is not {other_than}",
        20,
    )
    pid = _find(crew, command)
    assert pid is not None
    return pid


def _read_until(crew: subprocess.Popen[str], text: str) -> str:
    assert crew.stdout is not None
    for line in crew.stdout:
        if text in line:
            return line.strip()
    raise AssertionError(f"the supervisor never said {text!r}")


def test_a_killed_part_starts_again_at_once_and_its_group_ends_with_it(
    crew: subprocess.Popen[str],
) -> None:
    first = _wait_for(crew, "sleep 1003")
    left_behind = _wait_for(crew, "sleep 1001")
    os.kill(first, signal.SIGKILL)
    assert _read_until(crew, "part ended") == "part ended (killed by SIGKILL): starts again now"
    _wait_for(crew, "sleep 1003", other_than=first)
    until(lambda: not Path(f"/proc/{left_behind}").exists(), "the old part's child ends", 10)


def test_what_keeps_failing_is_started_with_growing_pauses(crew: subprocess.Popen[str]) -> None:
    said = [_read_until(crew, "failing ended") for _ in range(3)]
    assert said == [
        "failing ended (exit code 3): starts again now",
        "failing ended (exit code 3): starts again in 1 s",
        "failing ended (exit code 3): starts again in 2 s",
    ]
    assert [pause_before(count) for count in (0, 1, 5, 6, 100)] == [0, 1, 16, 30, 30]


def test_one_interrupt_ends_everything_also_what_left_its_session(
    crew: subprocess.Popen[str],
) -> None:
    _wait_for(crew, "sleep 1003")
    _wait_for(crew, "sleep 1002")
    everything = [process.pid for process in tree(crew.pid)]
    crew.send_signal(signal.SIGINT)
    assert crew.wait(10) == 0
    _read_until(crew, "stubborn did not end in 1 s: killed")
    _read_until(crew, "down")
    assert [pid for pid in everything if Path(f"/proc/{pid}").exists()] == []


@pytest.mark.parametrize("crew", ["3600"], indirect=True)
def test_a_second_interrupt_does_not_wait_for_what_will_not_end(
    crew: subprocess.Popen[str],
) -> None:
    _wait_for(crew, "sleep 1003")
    crew.send_signal(signal.SIGINT)
    until(lambda: _find(crew, "sleep 1003") is None, "the part has ended", 10)
    crew.send_signal(signal.SIGINT)
    assert crew.wait(10) == 0


def test_a_killed_supervisor_takes_its_parts_along(crew: subprocess.Popen[str]) -> None:
    part = _wait_for(crew, "sleep 1003")
    below = tree(crew.pid)[1:]
    crew.kill()
    until(lambda: not Path(f"/proc/{part}").exists(), "the part ends", 10)
    _kill(below)


def test_output_of_a_part_goes_to_its_log(crew: subprocess.Popen[str], tmp_path: Path) -> None:
    log = tmp_path / "failing.log"
    until(lambda: log.exists() and "the disk is on fire" in log.read_text(), "it is logged", 10)
