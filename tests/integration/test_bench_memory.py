"""A program that eats memory fails its own job."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from labq.bench.memory import available_bytes
from labq.benchlink.client import HoldLostError
from labq.domain.deadline import Deadline
from labq.domain.errors import ErrorType
from labq.domain.plan import ConsoleSpec
from tests.integration.bench_lab import a_lab, a_plan, read_until, until

MIB = 1024 * 1024
EATER = "import time; held = b'x' * (200 << 20); print('full', flush=True); time.sleep(600)"


def test_a_run_that_takes_more_memory_than_it_may_is_ended_and_no_other(
    tmp_path: Path, redis_url: str
) -> None:
    with a_lab(tmp_path, redis_url, LABQ_RUN_MEMORY_BYTES=str(100 * MIB)) as lab:
        greedy = ConsoleSpec(channel="main", kind="pty", command=f'{sys.executable} -c "{EATER}"')
        lab.announce(a_plan(1, consoles=(greedy,)))
        lab.announce(a_plan(2))
        lab.announce(a_plan(3))
        boot, other, third = lab.step(1, 0), lab.step(2, 0), lab.step(3, 0)
        other.console().send(b"hello\n")
        console = boot.console()
        with pytest.raises(HoldLostError, match="allows 100 MiB"):
            read_until(console, b"nothing says this", 30)
        boot.release()
        ended = until(lambda: lab.of_kind(1, "ended"))[0]
        assert ended.failure.type is ErrorType.JOB

        failed = threading.Event()

        def _eat() -> None:
            with pytest.raises(HoldLostError, match="allows 100 MiB"):
                third.run([sys.executable, "-c", EATER], Deadline.after(30))
            failed.set()

        thread = threading.Thread(target=_eat)
        thread.start()
        thread.join(40)
        assert failed.is_set()
        third.release()
        assert other.end() == 1
        other.release()


def test_what_is_left_is_what_the_cgroup_leaves(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9000 kB\nMemAvailable: 8000 kB\n")
    assert available_bytes(meminfo, tmp_path) == 8000 * 1024
    for name, text in (
        ("memory.max", "5000000"),
        ("memory.current", "4000000"),
        ("memory.stat", "anon 1\ninactive_file 500000\n"),
    ):
        (tmp_path / name).write_text(text)
    assert available_bytes(meminfo, tmp_path) == 1_500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert available_bytes(meminfo, tmp_path) == 8000 * 1024
