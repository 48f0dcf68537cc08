"""The threads of a bench: what they put on disk before it is seen, and that none dies alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labq.domain.verdicts import CaseResult, Verdict
from tests.integration.bench_lab import Lab, a_lab, a_plan, until

SLOW_DISK = """
import os, threading
from pathlib import Path
from labq.bench import disk
stuck, notes = Path({stuck!r}), Path({notes!r})
sync_all, sync = disk._sync_all, os.fdatasync
def slow(files):
    while stuck.exists():
        threading.Event().wait(0.01)
    return sync_all(files)
def noting(file):
    facts = os.fstat(file)
    sync(file)
    with notes.open("a") as lines:
        lines.write(f"{{facts.st_ino}} {{facts.st_size}}\\n")
disk._sync_all, os.fdatasync = slow, noting
"""
DEATHS = {
    "shipper": """
from labq.bench import shipper
def fail(*_):
    raise ValueError("nobody expects this")
shipper.Shipper._ship = shipper.Shipper._try_again = fail
""",
    "orders": """
from labq.bench import orders
def fail(*_):
    raise ValueError("nobody expects this")
orders.OrderReader._read, orders.RETRY_SECONDS = fail, "no number"
""",
}


@pytest.fixture
def lab(tmp_path: Path, redis_url: str) -> Iterator[Lab]:
    with a_lab(tmp_path, redis_url) as made:
        yield made


def test_a_result_is_in_the_outbox_on_disk_before_its_line_leaves_the_host(lab: Lab) -> None:
    stuck, notes, outbox = lab.folder / "stuck", lab.folder / "notes", lab.folder / "outbox"
    lab.kill_bench()
    lab.start_bench(SLOW_DISK.format(stuck=str(stuck), notes=str(notes)))
    lab.announce(a_plan(1))
    boot = lab.step(1, 0)
    stuck.touch()
    boot.report(CaseResult(suite="s", case="one", verdict=Verdict.PASS))
    facts = outbox.stat()
    until(lambda: lab.messages(1, "results"))
    assert f"{facts.st_ino} {facts.st_size}" in notes.read_text().splitlines()
    stuck.unlink()


@pytest.mark.parametrize("thread", DEATHS)
def test_a_bench_whose_thread_died_ends_and_leaves_its_runs_to_the_next(
    lab: Lab, thread: str
) -> None:
    lab.announce(a_plan(1))
    boot = lab.step(1, 0)
    lab.kill_bench()
    bench = lab.start_bench(DEATHS[thread])
    until(lambda: bench.poll() is not None)
    assert f"its thread {thread} died" in (lab.folder / "output").read_text()
    lab.start_bench()
    assert boot.end() == 1
