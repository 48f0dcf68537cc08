"""Time in which nobody holds a step, or its bench is away, is no time of the step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labq.benchlink.client import StepSession
from labq.domain.deadline import Deadline, monotonic
from labq.domain.events import HoldState
from labq.domain.plan import StepKind
from labq.domain.verdicts import Level
from tests.integration.bench_lab import Lab, a_lab, a_plan, a_step, read_until, until

WAIT_SECONDS = 3.0
AWAY_SECONDS = 3.5


@pytest.fixture
def lab(tmp_path: Path, redis_url: str) -> Iterator[Lab]:
    with a_lab(tmp_path, redis_url) as made:
        yield made


def be_without_bench(lab: Lab) -> None:
    """Leave the host without its bench for longer than the step waits."""
    lab.kill_bench()
    limit = monotonic() + AWAY_SECONDS
    until(lambda: monotonic() > limit)
    lab.start_bench()


def ask(session: StepSession, line: bytes, deadline: Deadline) -> bytes:
    """Send a line, and return what the device said before the deadline."""
    console, seen = session.console(), b""
    console.send(line + b"\n")
    while b"did " + line not in seen:
        chunk = console.read(deadline)
        assert chunk, f"it was not waited for: {seen!r}"
        seen += chunk.data
    return seen


def test_a_test_whose_worker_died_before_it_did_anything_has_all_its_time(lab: Lab) -> None:
    lab.announce(a_plan(1), following=1)
    lab.step(1, 1).release()
    until(
        lambda: lab.state(1) is HoldState.IDLE and lab.run_report(1).idle_ms > AWAY_SECONDS * 1000
    )
    again = lab.step(1, 1)
    deadline = Deadline.after(WAIT_SECONDS, again.console().now())
    again.log(Level.INFO, "it begins")
    ask(again, b"one", deadline)


def test_a_test_waits_for_its_device_as_long_as_it_would_without_a_killed_bench(lab: Lab) -> None:
    lab.announce(a_plan(1), following=1)
    test = lab.step(1, 1)
    begun = test.console().now()
    be_without_bench(lab)
    first = ask(test, b"one", Deadline.after(WAIT_SECONDS, begun))
    test.release()
    again = lab.step(1, 1)
    again_begun = again.console().now()
    assert ask(again, b"one", Deadline.after(WAIT_SECONDS, again_begun)) == first


def test_a_device_that_stays_silent_is_waited_for_no_longer_than_it_may(lab: Lab) -> None:
    lab.announce(a_plan(1), following=1)
    test = lab.step(1, 1)
    console = test.console()
    deadline = Deadline.after(WAIT_SECONDS, console.now())
    be_without_bench(lab)
    assert console.read(deadline) is None
    assert deadline.is_over(console.now())


def test_the_deadline_of_a_step_waits_for_its_bench(lab: Lab) -> None:
    steps = (
        a_step(0, StepKind.BOOT, deadline=WAIT_SECONDS),
        a_step(1, StepKind.COLLECT),
    )
    lab.announce(a_plan(1, steps=steps))
    boot = lab.step(1, 0)
    be_without_bench(lab)
    boot.console().send(b"one\n")
    read_until(boot.console(), b"did one")
    assert boot.end() == 1
    assert len(until(lambda: lab.of_kind(1, "began"))) == 1
