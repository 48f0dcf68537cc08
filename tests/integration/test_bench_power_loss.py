"""A host that lost its power: what steps left in files may be gone, so runs begin anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labq.domain.names import claim_key
from tests.integration.bench_lab import HOST, Lab, a_lab, a_plan, until

OTHER_BOOT = """
from pathlib import Path
from labq.hw import boot
boot._BOOT_ID = Path({path!r})
"""


@pytest.fixture
def lab(tmp_path: Path, redis_url: str) -> Iterator[Lab]:
    with a_lab(tmp_path, redis_url) as lab:
        yield lab


def lose_power(lab: Lab) -> None:
    """Start the bench as after a new start of the machine."""
    lab.kill_bench()
    # While the machine starts, its claim on the host runs out.
    lab.redis.delete(claim_key(HOST))
    path = lab.folder / "boot_id"
    path.write_text("another-boot\n")
    lab.start_bench(OTHER_BOOT.format(path=str(path)))


def test_a_run_of_before_a_power_cut_goes_back_to_its_beginning_without_files(lab: Lab) -> None:
    plan = a_plan(1)
    lab.announce(plan)
    first = lab.step(1, 0)
    left = Path(first.folder) / "image"
    left.write_bytes(b"image")
    first.remember("image", str(left))
    first.end(None)
    first.release()
    lose_power(lab)
    report = until(lambda: (found := lab.run_report(1)) and found.back is not None and found)
    assert (report.next, report.back) == (1, 0)
    assert lab.begin(1, 1) is None
    lab.announce(plan, epoch=2, following=0, reason="the host lost its power")
    again = lab.step(1, 0, epoch=2)
    assert again.recall("image") is None
    assert not left.exists()


def test_a_run_that_was_at_its_end_when_the_power_went_is_still_torn_down(lab: Lab) -> None:
    plan = a_plan(1)
    lab.announce(plan, following=plan.collect)
    lab.step(1, plan.collect).release()
    lose_power(lab)
    collect = lab.step(1, plan.collect)
    collect.end(None)
    until(lambda: any(event.next is None for event in lab.of_kind(1, "ended")))


def test_a_bench_that_is_only_started_again_keeps_the_files(lab: Lab) -> None:
    lab.announce(a_plan(1))
    first = lab.step(1, 0)
    first.remember("image", "here")
    first.end(None)
    first.release()
    lab.kill_bench()
    lab.start_bench()
    assert lab.step(1, 1).recall("image") == "here"
