"""A host that was started anew: its monotonic clock tells nothing of what was before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labq.bench.journal import Journal
from labq.benchlink.records import pack
from labq.domain.events import HoldState
from labq.hw.boot import boot_id
from tests.integration.bench_lab import Lab, a_lab, a_plan, until


@pytest.fixture
def lab(tmp_path: Path, redis_url: str) -> Iterator[Lab]:
    with a_lab(tmp_path, redis_url) as made:
        yield made


def as_of_another_boot(path: Path, uptime: float) -> None:
    """Write a journal as the machine would have in another boot, up for so many seconds then."""
    journal = Journal(path)
    shift = uptime - next(journal.records()).at
    here, there = boot_id().encode(), b"0" * len(boot_id())
    records = [
        one._replace(at=one.at + shift, data=one.data.replace(here, there))
        for one in journal.records()
    ]
    journal.close()
    path.write_bytes(b"".join(map(pack, records)))


@pytest.mark.parametrize("uptime", [1.0, 1e7], ids=["shorter", "longer"])
def test_deadlines_of_a_run_start_anew_with_the_machine(lab: Lab, uptime: float) -> None:
    lab.announce(a_plan(1, job_deadline=300.0))
    lab.step(1, 0).release()
    lab.kill_bench()
    as_of_another_boot(lab.folder / "runs" / "1" / "journal", uptime)
    lab.reports.clear()
    lab.start_bench()
    until(lambda: lab.state(1) is HoldState.IDLE)
    again = lab.step(1, 0)
    assert again.end() == 1
    again.release()
    lab.kill_bench()
    lab.start_bench()
    ended = until(lambda: lab.of_kind(1, "ended"))
    assert [event.failure for event in ended] == [None]
