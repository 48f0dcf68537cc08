"""A step from begin to end through a real bench, a real keeper and a real Redis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labq.domain.verdicts import CaseResult, Level, Verdict
from tests.integration.bench_lab import Lab, a_lab, a_plan, read_until, until


@pytest.fixture
def lab(tmp_path: Path, redis_url: str) -> Iterator[Lab]:
    with a_lab(tmp_path, redis_url) as made:
        yield made


def test_a_run_goes_from_the_first_begin_to_its_tombstone(lab):
    lab.announce(a_plan(1))
    boot = lab.step(1, 0)
    console = boot.console()
    console.send(b"hello\n")
    assert b"did hello" in read_until(console, b"did hello\r\n")
    assert boot.log(Level.INFO, "booted") > 0
    boot.remember("images", {"kernel": "/k"})
    assert boot.end() == 1
    boot.release()
    test = lab.step(1, 1)
    assert test.recall("images") == {"kernel": "/k"}
    test.report(CaseResult(suite="0_smoke", case="one", verdict=Verdict.PASS))
    assert test.end() == 2
    test.release()
    collect = lab.step(1, 2)
    collect.power.off()
    collect.disconnect("main")
    assert collect.end() is None
    collect.release()
    until((lab.folder / "tombstones" / "1").exists)
    until(lambda: not (lab.folder / "runs" / "1").exists())
    assert [event.kind for event in lab.events] == [
        "began",
        "ended",
        "began",
        "result",
        "ended",
        "began",
        "ended",
    ]
    assert "did hello" in lab.messages(1, "target")
    assert lab.messages(1, "input") == ["hello\n"]
    assert lab.begin(1, 0) is None
