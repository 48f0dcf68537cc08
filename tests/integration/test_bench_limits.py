"""Limits of a real bench: asked for by the server, waited for, shrunk under real load."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from labq.benchlink.client import StepSession
from labq.domain.deadline import Deadline
from labq.domain.errors import ErrorType, Failure
from labq.domain.events import Report, SlotReport, WaitReport
from labq.domain.orders import ConfigOrder
from labq.domain.plan import ConsoleSpec, Queue, StepKind
from tests.integration.bench_lab import Lab, a_lab, a_plan, a_step, read_until, until

BURN = "import os\nos.nice(19)\nwhile True: pass"
WAITS = "waits for a boot slot"


@pytest.fixture
def lab(tmp_path: Path, redis_url: str) -> Iterator[Lab]:
    with a_lab(tmp_path, redis_url, LABQ_BOOT_SLOTS="") as made:
        yield made


@contextmanager
def hogs() -> Iterator[None]:
    """Keep every CPU busy many times over; others hardly notice, the kernel's counters do."""
    number = 12 * (os.cpu_count() or 1)
    running = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(number)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


class Asking(threading.Thread):
    """A worker that waits for its grant."""

    def __init__(self, lab: Lab, run: int, step: int = 0) -> None:
        super().__init__(daemon=True)
        self.session: StepSession | None = None
        self._ask = (lab, run, step)
        self.start()

    def run(self) -> None:
        lab, run, step = self._ask
        self.session = lab.begin(run, step)


def newest(lab: Lab) -> Report:
    return until(lambda: lab.reports and lab.reports[-1])


def slot(lab: Lab, queue: str) -> SlotReport:
    return newest(lab).slots[queue]


def waiting(lab: Lab) -> list[WaitReport]:
    return list(newest(lab).waits)


def test_what_the_server_asks_is_taken_up_without_a_restart_and_outlives_one(lab):
    assert slot(lab, "download").limit == 4
    lab.order(ConfigOrder(revision=7, preset="development", limits={"boot": 3}))
    until(lambda: newest(lab).config == 7)
    assert (slot(lab, "boot").limit, slot(lab, "download").limit) == (3, 4)
    assert slot(lab, "boot").reason == "fixed by the server"
    assert newest(lab).load.preset == "development"
    lab.kill_bench()
    lab.reports.clear()
    lab.start_bench()
    until(lambda: lab.reports and newest(lab).config == 7)
    assert slot(lab, "boot").limit == 3
    lab.order(ConfigOrder(revision=8))
    until(lambda: newest(lab).config == 8)
    assert newest(lab).load.preset == "baseline"
    assert slot(lab, "boot").limit == max(1, newest(lab).load.cores // 2)


def test_a_configuration_that_this_host_cannot_do_changes_nothing(lab):
    lab.order(ConfigOrder(revision=1, limits={"boot": 2}))
    until(lambda: newest(lab).config == 1)
    lab.order(ConfigOrder(revision=2, preset="turbo"))
    lab.order(ConfigOrder(revision=3, limits={"coffee": 1}))
    until(lambda: "coffee" in (lab.folder / "output").read_text())
    assert "turbo" in (lab.folder / "output").read_text()
    assert (newest(lab).config, slot(lab, "boot").limit) == (1, 2)


def test_a_run_that_waits_is_told_how_many_are_ahead_in_report_and_log(lab):
    lab.order(ConfigOrder(revision=1, limits={"boot": 1}))
    until(lambda: newest(lab).config == 1)
    for run in (1, 2, 3):
        lab.announce(a_plan(run))
    first = lab.step(1, 0)
    second = Asking(lab, 2)
    until(lambda: [wait.run for wait in waiting(lab)] == [2])
    third = Asking(lab, 3)
    until(lambda: [(wait.run, wait.ahead) for wait in waiting(lab)] == [(2, 0), (3, 1)])
    assert waiting(lab)[0].reason == "1 of 1 in use (fixed by the server)"
    until(lambda: any(WAITS in message for message in lab.messages(3, "info")))
    assert any("1 ahead: 1 of 1 in use" in message for message in lab.messages(3, "info"))
    first.end()
    first.release()
    granted = until(lambda: second.session)
    until(lambda: any("got a boot slot after" in line for line in lab.messages(2, "info")))
    assert sum(WAITS in message for message in lab.messages(2, "info")) == 1
    granted.end()
    until(lambda: third.session)


def test_on_a_serial_host_a_job_begins_when_the_one_before_is_over(tmp_path, redis_url):
    with a_lab(tmp_path, redis_url, LABQ_BOOT_SLOTS="", LABQ_PRESET="serial") as lab:
        for run in (1, 2):
            lab.announce(a_plan(run))
        lab.step(1, 0).end()
        second = Asking(lab, 2)
        until(lambda: [wait.run for wait in waiting(lab)] == [2])
        assert waiting(lab)[0].reason == "one job at a time on this host (preset serial)"
        for step in (1, 2):
            session = lab.step(1, step)
            assert second.session is None
            session.end()
            session.release()
        until(lambda: second.session)


def test_emulators_and_programs_of_steps_give_way_as_the_preset_says(tmp_path, redis_url):
    console = ConsoleSpec(channel="main", kind="pty", command="nice; exec cat")
    with a_lab(tmp_path, redis_url, LABQ_PRESET="development") as lab:
        lab.announce(a_plan(1, consoles=(console,)))
        boot = lab.step(1, 0)
        own = os.nice(0)
        assert read_until(boot.console(), b"\n") == b"%d\r\n" % (own + 10)
        assert boot.run(["nice"], Deadline.after(10)).output.strip() == str(own + 10)


@pytest.mark.timeout(300)
def test_a_host_under_load_shrinks_its_limits_says_so_and_recovers(tmp_path, redis_url):
    # The most patient preset: what else runs on this machine is not to count.
    with a_lab(tmp_path, redis_url, LABQ_BOOT_SLOTS="", LABQ_PRESET="dedicated") as lab:
        flag = lab.folder / "overloaded"
        lab.announce(a_plan(1, steps=(a_step(0, StepKind.BOOT), a_step(1, StepKind.COLLECT))))
        boot = lab.step(1, 0)
        with hogs():
            until(lambda: newest(lab).load.is_overloaded, 60)
            assert "tasks want each CPU" in newest(lab).load.reason
            assert flag.exists()
            until(lambda: slot(lab, "download").limit == 2, 60)
            until(lambda: slot(lab, "deploy").reason.startswith("at its floor: "), 60)
        boot.end(Failure(type=ErrorType.INFRASTRUCTURE, message="no prompt"))
        (ended,) = until(lambda: lab.of_kind(1, "ended"))
        assert ended.host_fault
        assert ended.suspect.startswith("the host was overloaded: ")
        until(lambda: not newest(lab).load.is_overloaded, 90)
        until(lambda: (slot(lab, "download").limit, slot(lab, "deploy").limit) == (4, 4), 90)
        assert not flag.exists()


def test_a_failure_on_a_host_that_does_not_suffer_is_the_boards(tmp_path, redis_url):
    with a_lab(tmp_path, redis_url, LABQ_PRESET="dedicated") as lab:
        lab.announce(a_plan(1))
        until(lambda: not newest(lab).load.is_overloaded, 60)
        lab.step(1, 0).end(Failure(type=ErrorType.INFRASTRUCTURE, message="no prompt"))
        (ended,) = until(lambda: lab.of_kind(1, "ended"))
        assert (ended.host_fault, ended.suspect) == (False, "")


def test_the_report_says_what_machine_it_is(lab):
    load = newest(lab).load
    assert load.cores >= 1
    assert len(load.machine) == 16
    assert (load.cpu is None) == (not Path("/proc/pressure/cpu").exists())
    assert slot(lab, Queue.FASTBOOT.value).limit == load.cores
