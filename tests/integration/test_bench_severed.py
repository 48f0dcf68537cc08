"""The supervisor is killed with its bench: consoles are gone, and the run has to go back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labq.domain.errors import ErrorType
from labq.domain.events import HoldState
from tests.integration.bench_lab import Lab, a_lab, a_plan, read_until, until


@pytest.fixture
def lab(tmp_path: Path, redis_url: str) -> Iterator[Lab]:
    with a_lab(tmp_path, redis_url) as made:
        yield made


def kill_all(lab: Lab) -> None:
    """Kill supervisor and bench as a power cut of the process would, and start new ones."""
    lab.kill_bench()
    lab.keeper.kill()
    lab.keeper.wait()
    (lab.folder / "keeper.sock").unlink()
    lab.reports.clear()
    lab.start_keeper()
    lab.start_bench()


def reach_test(lab: Lab, epoch: int) -> None:
    """Bring the run into its test, with its console open."""
    boot = lab.step(1, 0, epoch)
    boot.console().send(b"hello\n")
    read_until(boot.console(), b"did hello")
    assert boot.end() == 1
    boot.release()
    lab.step(1, 1, epoch).console().send(b"test\n")


def test_a_test_whose_console_is_lost_is_not_granted_and_goes_back_to_its_boot(lab):
    lab.announce(a_plan(1))
    reach_test(lab, 1)
    kill_all(lab)
    until(lambda: lab.state(1) is HoldState.IDLE)
    assert lab.run_report(1).back == 0
    assert lab.begin(1, 1) is None
    lab.announce(a_plan(1), epoch=2, following=0, reason="its consoles are lost")
    reach_test(lab, 2)
    until(lambda: lab.run_report(1).epoch == 2)
    assert lab.run_report(1).back is None
    until(lambda: any("output may be missing" in text for text in lab.messages(1, "warning")))


def test_a_boot_whose_console_is_lost_begins_again_at_the_same_epoch(lab):
    lab.announce(a_plan(1))
    lab.step(1, 0).console().send(b"hello\n")
    kill_all(lab)
    until(lambda: lab.state(1) is HoldState.IDLE)
    assert lab.run_report(1).back is None
    reach_test(lab, 1)


def test_a_test_that_loses_its_console_three_times_is_ended(lab):
    for epoch in (1, 2, 3):
        lab.announce(a_plan(1), epoch=epoch, following=0)
        reach_test(lab, epoch)
        kill_all(lab)
    ended = until(lambda: [one for one in lab.of_kind(1, "ended") if one.step == 1])[0]
    assert ended.failure.type is ErrorType.INFRASTRUCTURE
    assert "keeps dying" in ended.failure.message
    assert ended.next == 2


def test_a_server_that_knows_no_way_back_is_not_turned_away_for_ever(lab):
    lab.announce(a_plan(1))
    reach_test(lab, 1)
    kill_all(lab)
    until(lambda: lab.state(1) is HoldState.IDLE)
    refused = [lab.begin(1, 1) for _ in range(5)]
    assert refused == [None] * 5
    lab.step(1, 1).release()
