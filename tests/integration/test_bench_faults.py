"""Workers and benches are killed, runs canceled, clocks run out: nothing is lost or done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from labq import streams
from labq.bench.inbox import Inbox, Note
from labq.bench.journal import Journal
from labq.benchlink.client import HoldLostError
from labq.benchlink.records import Kind
from labq.domain.deadline import Deadline
from labq.domain.errors import ErrorType, Failure
from labq.domain.events import HoldState
from labq.domain.orders import AgainOrder, GenerationOrder
from labq.domain.plan import ConsoleSpec, StepKind
from labq.domain.verdicts import CaseResult, Level, Verdict
from tests.integration.bench_lab import HOST, Lab, a_lab, a_plan, a_step, read_until, until

WORKER = """
import sys
from pathlib import Path
from labq.benchlink.client import begin
from labq.domain.deadline import Deadline
from labq.domain.verdicts import CaseResult, Level, Verdict
session = begin(Path(sys.argv[1]), run=int(sys.argv[2]), epoch=1, step=int(sys.argv[3]))
console = session.console()
session.log(Level.INFO, "first")
console.send(b"one\\n")
seen = b""
while b"did one" not in seen:
    seen += console.read(Deadline.after(10)).data
session.report(CaseResult(suite="s", case="one", verdict=Verdict.PASS))
print("ready", flush=True)
sys.stdin.read()
"""
COUNTER = "i=0; while :; do i=$((i+1)); echo line $i; done"


@pytest.fixture
def lab(tmp_path: Path, redis_url: str) -> Iterator[Lab]:
    with a_lab(tmp_path, redis_url) as made:
        yield made


@contextmanager
def a_worker(lab: Lab, run: int, step: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker that has done its part and waits; it is killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(lab.socket), str(run), str(step)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as worker:
        assert worker.stdout
        assert worker.stdout.readline() == b"ready\n"
        yield worker
        worker.kill()


def test_a_killed_worker_is_reported_idle_and_its_test_is_replayed_without_a_second_effect(lab):
    lab.announce(a_plan(1), following=1)
    with a_worker(lab, 1, 1):
        pass
    until(lambda: lab.state(1) is HoldState.IDLE and lab.run_report(1).idle_ms >= 500)
    again = lab.step(1, 1)
    console = again.console()
    past = console.now()
    line = again.log(Level.INFO, "first")
    console.send(b"one\n")
    assert b"did one" in read_until(console, b"did one")
    assert console.now() - past < 5
    again.report(CaseResult(suite="s", case="one", verdict=Verdict.PASS))
    stands = console.now()
    assert console.now() == stands
    console.send(b"two\n")
    goes = console.now()
    until(lambda: console.now() > goes > stands)
    assert b"did two" in read_until(console, b"did two")
    assert again.end() == 2
    again.release()
    until(lambda: len(lab.of_kind(1, "ended")) == 1)
    assert len(lab.of_kind(1, "result")) == 1
    assert [event.begins for event in lab.of_kind(1, "began")] == [1, 2]
    until(lambda: lab.messages(1, "input") == ["one\n", "two\n"])
    assert lab.messages(1, "info") == ["first"]
    assert lab.lines(1)[line]["msg"] == "first"


def test_a_boot_that_begins_again_starts_reading_at_its_own_begin(lab):
    lab.announce(a_plan(1))
    with a_worker(lab, 1, 0):
        pass
    again = lab.step(1, 0)
    console = again.console()
    console.send(b"one\n")
    seen = read_until(console, b"did one")
    assert seen.count(b"did one") == 1
    again.report(CaseResult(suite="s", case="one", verdict=Verdict.PASS))
    again.report(CaseResult(suite="s", case="two", verdict=Verdict.PASS))
    again.end()
    again.release()
    until(lambda: len(lab.of_kind(1, "ended")) == 1)
    assert [event.case for event in lab.of_kind(1, "result")] == ["one", "two"]


def test_a_killed_bench_loses_no_output_and_gives_the_hold_back(lab):
    console = ConsoleSpec(channel="main", kind="pty", command=COUNTER)
    lab.announce(a_plan(1, consoles=(console,)))
    boot = lab.step(1, 0)
    stream = boot.console()
    seen = read_until(stream, b"line 2000\r\n")
    for _ in range(3):
        lab.kill_bench()
        lab.start_bench()
        target = b"line %d\r\n" % (count_of(seen) + 3000)
        seen += read_until(stream, target)
    lines = seen.split(b"\r\n")[:-1]
    assert lines == [b"line %d" % number for number in range(1, len(lines) + 1)]
    assert boot.log(Level.INFO, "still here") > 0
    assert boot.end() == 1
    boot.release()
    assert len(until(lambda: lab.of_kind(1, "began"))) == 1


def count_of(seen: bytes) -> int:
    return int(seen.rpartition(b"\r\n")[0].rpartition(b"line ")[2])


def test_a_hold_that_nobody_takes_back_is_lost(lab):
    lab.announce(a_plan(1))
    with a_worker(lab, 1, 0) as worker:
        worker.send_signal(signal.SIGSTOP)
        lab.kill_bench()
        lab.reports.clear()
        lab.start_bench()
        assert until(lambda: lab.state(1)) is HoldState.HELD
        until(lambda: lab.state(1) is HoldState.IDLE)


def test_an_end_that_is_on_disk_is_answered_again(lab):
    lab.announce(a_plan(1))
    boot = lab.step(1, 0)
    assert boot.end() == 1
    boot._is_over = False
    lab.kill_bench()
    lab.start_bench()
    assert boot.end() == 1
    boot.release()
    until(lambda: lab.of_kind(1, "ended"))
    assert len(lab.of_kind(1, "ended")) == 1


def test_a_cancel_wakes_a_worker_that_reads_and_kills_its_child(lab):
    plan = a_plan(1)
    lab.announce(plan)
    boot = lab.step(1, 0)
    console = boot.console()
    timer = threading.Timer(0.3, lab.announce, (plan, 2, 2, "canceled by alice"))
    timer.start()
    with pytest.raises(HoldLostError, match="canceled by alice"):
        console.read(Deadline.after(30))
    with pytest.raises(HoldLostError):
        boot.log(Level.INFO, "too late")
    boot.release()
    assert lab.begin(1, 0) is None
    assert lab.begin(1, 1, epoch=2) is None
    collect = lab.step(1, 2, epoch=2)
    assert collect.end() is None
    collect.release()


def test_a_cancel_ends_a_program_that_runs(lab):
    plan = a_plan(1)
    lab.announce(plan)
    boot = lab.step(1, 0)
    timer = threading.Timer(0.5, lab.announce, (plan, 2, 2, "canceled"))
    timer.start()
    with pytest.raises(HoldLostError):
        boot.run(["sh", "-c", f"echo $$ > {lab.folder}/pid; sleep 600"], Deadline.after(60))
    pid = int((lab.folder / "pid").read_text())
    until(lambda: not Path(f"/proc/{pid}").exists())
    boot.release()


STOPPED_WORKER = """
import sys
from pathlib import Path
from labq.benchlink.client import begin
from labq.domain.deadline import Deadline
session = begin(Path(sys.argv[1]), run=1, epoch=1, step=0)
session.run(["sh", "-c", "echo $$ > pid.new; mv pid.new pid; sleep 600"], Deadline.after(600))
"""


def test_a_cancel_ends_the_program_of_a_worker_that_is_stopped_before_collect_begins(lab):
    plan = a_plan(1)
    lab.announce(plan)
    words = [sys.executable, "-c", STOPPED_WORKER, str(lab.socket)]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as worker:
        path = lab.folder / "runs" / "1" / "files" / "pid"
        until(path.exists)
        pid = int(path.read_text())
        worker.send_signal(signal.SIGSTOP)
        lab.announce(plan, epoch=2, following=2, reason="canceled")
        collect = lab.step(1, 2, epoch=2)
        assert ") Z " in Path(f"/proc/{pid}/stat").read_text()
        worker.kill()
    assert collect.end() is None
    collect.release()


def test_a_message_of_a_higher_epoch_sets_the_next_step_before_its_order_comes(lab):
    lab.announce(a_plan(1))
    boot = lab.step(1, 0)
    collect = lab.step(1, 2, epoch=2)
    with pytest.raises(HoldLostError):
        boot.log(Level.INFO, "stale")
    boot.release()
    assert collect.end() is None
    collect.release()


def test_an_unknown_run_waits_for_its_order(lab):
    granted = []
    thread = threading.Thread(target=lambda: granted.append(lab.step(1, 0)))
    thread.start()
    until(lambda: lab.reports)
    assert not granted
    lab.announce(a_plan(1))
    thread.join(10)
    assert granted
    granted[0].release()


def test_a_step_that_dies_three_times_is_ended_and_collect_follows(lab):
    lab.announce(a_plan(1))
    for _ in range(3):
        lab.step(1, 0).release()
    ended = until(lambda: lab.of_kind(1, "ended"))[0]
    assert ended.failure.type is ErrorType.INFRASTRUCTURE
    assert "keeps dying" in ended.failure.message
    assert ended.next == 2
    assert lab.begin(1, 0) is None
    for _ in range(3):
        lab.step(1, 2).release()
    last = until(lambda: lab.of_kind(1, "ended")[1:])[0]
    assert (last.step, last.next) == (2, None)
    until((lab.folder / "tombstones" / "1").exists)


def test_begins_are_counted_over_restarts_of_the_bench(lab):
    lab.announce(a_plan(1))
    for _ in range(3):
        lab.step(1, 0).release()
        lab.kill_bench()
        lab.start_bench()
    assert until(lambda: lab.of_kind(1, "ended"))[0].next == 2


def test_a_step_over_its_deadline_is_lost(lab):
    steps = (a_step(0, StepKind.BOOT, deadline=0.5), a_step(1, StepKind.COLLECT))
    lab.announce(a_plan(1, steps=steps))
    boot = lab.step(1, 0)
    with pytest.raises(HoldLostError, match="deadline"):
        boot.console().read(Deadline.after(30))
    boot.release()
    until(lambda: lab.state(1) is HoldState.IDLE)


def test_a_job_over_its_time_ends_with_a_job_error_and_goes_to_collect(lab):
    lab.announce(a_plan(1, job_deadline=0.5))
    boot = lab.step(1, 0)
    with pytest.raises(HoldLostError, match=r"job timed out after 0\.5 seconds"):
        boot.console().read(Deadline.after(30))
    boot.release()
    ended = until(lambda: lab.of_kind(1, "ended"))[0]
    assert ended.failure == Failure(type=ErrorType.JOB, message="job timed out after 0.5 seconds")
    assert ended.next == 2


def test_events_are_sent_again_after_a_gap_and_after_redis_has_lost_everything(lab):
    lab.announce(a_plan(1))
    lab.step(1, 0).end()
    until(lambda: len(lab.events) == 2)
    lab.redis.flushall()
    assert lab.step(1, 1).end() == 2
    until(lambda: len(lab.events) == 4)


def test_orders_of_a_redis_that_started_anew_are_read_also_when_its_clock_went_back(lab):
    lab.confirms = False
    lab.announce(a_plan(1))
    lab.step(1, 0).end()
    lab.redis.flushall()
    order = streams.dump_order(GenerationOrder(generation="new"))
    lab.redis.xadd(streams.orders_stream(HOST), {streams.ORDER_FIELD: order}, id="5-1")
    until(lambda: lab.reports[-1].generation == "new")


def test_the_server_asks_for_events_once_more(lab):
    lab.confirms = False
    lab.announce(a_plan(1))
    lab.step(1, 0).end()
    until(lambda: len(lab.events) == 2)
    lab.events.clear()
    lab.order(AgainOrder(sequence=1))
    until(lambda: len(lab.events) == 2)


def test_slots_are_given_by_priority_then_first_come(tmp_path, redis_url):
    with a_lab(tmp_path, redis_url, LABQ_BOOT_SLOTS="1") as lab:
        for run, priority in ((1, 50), (2, 10), (3, 10), (4, 90)):
            lab.announce(a_plan(run, priority=priority))
        first = lab.step(1, 0)
        order: list[int] = []

        def _one(run: int) -> None:
            session = lab.step(run, 0)
            order.append(run)
            session.end()
            session.release()

        threads = []
        for run in (2, 3, 4):
            thread = threading.Thread(target=_one, args=(run,))
            thread.start()
            threads.append(thread)
            until(lambda run=run: lab.state(run) is HoldState.WAITING)
        until(lambda: lab.reports[-1].slots["boot"].waiting == 3)
        first.end()
        first.release()
        for thread in threads:
            thread.join(10)
        assert order == [4, 2, 3]
        began = until(lambda: lab.of_kind(3, "began"))[0]
        assert began.waited_ms > 0


def test_a_stopped_bench_ends_its_runs_and_leaves_no_process(lab):
    lab.announce(a_plan(1))
    boot = lab.step(1, 0)
    boot.console().send(b"x\n")
    pid = child_of_keeper(lab)
    lab.bench.send_signal(signal.SIGTERM)
    assert lab.bench.wait(6) == 0
    until(lambda: not Path(f"/proc/{pid}").exists())
    until(lambda: [event.next for event in lab.of_kind(1, "ended")] == [2, None])
    assert "stopped" in lab.of_kind(1, "ended")[0].failure.message
    boot.release()


def child_of_keeper(lab: Lab) -> int:
    path = Path(f"/proc/{lab.keeper.pid}/task/{lab.keeper.pid}/children")
    return int(until(lambda: path.read_text().split())[0])


def test_an_unreadable_run_folder_is_set_aside(lab):
    lab.announce(a_plan(1))
    lab.step(1, 0).release()
    lab.kill_bench()
    (lab.folder / "runs" / "1" / "plan.json").write_text("{")
    (lab.folder / "runs" / ".new-7").mkdir()
    lab.start_bench()
    lab.announce(a_plan(2))
    lab.step(2, 0).release()
    assert len(list((lab.folder / "unreadable").iterdir())) == 1
    assert [path.name for path in (lab.folder / "runs").iterdir()] == ["2"]


def test_a_bench_that_leaves_on_sighup_loses_no_hold(lab):
    lab.announce(a_plan(1))
    boot = lab.step(1, 0)
    console = boot.console()
    lab.bench.send_signal(signal.SIGHUP)
    assert lab.bench.wait(6) == 0
    lab.start_bench()
    console.send(b"still\n")
    read_until(console, b"did still")
    assert boot.end() == 1
    boot.release()
    until(lambda: lab.of_kind(1, "ended"))
    assert [event.begins for event in lab.of_kind(1, "began")] == [1]


def test_a_second_bench_of_a_host_folder_is_refused(lab):
    second = lab._spawn("-c", "from labq.bench.serve import main; raise SystemExit(main())")
    assert second.wait(20) == 2
    assert "another bench" in (lab.folder / "output").read_text()
    lab.announce(a_plan(1))
    lab.step(1, 0).release()


def test_a_torn_journal_and_outbox_are_cut_and_the_run_goes_on(lab):
    lab.announce(a_plan(1))
    boot = lab.step(1, 0)
    boot.console().send(b"one\n")
    assert boot.end() == 1
    boot.release()
    lab.kill_bench()
    for name in ("runs/1/journal", "outbox"):
        with (lab.folder / name).open("ab") as file:
            file.write(b"\x50\x00\x00\x00half")
    lab.start_bench()
    test = lab.step(1, 1)
    test.report(CaseResult(suite="s", case="one", verdict=Verdict.PASS))
    assert test.end() == 2
    test.release()
    until(lambda: len(lab.events) == 5)


def test_an_event_that_only_the_outbox_has_is_put_into_the_journal(lab):
    lab.confirms = False
    lab.announce(a_plan(1))
    boot = lab.step(1, 0)
    size = (lab.folder / "runs/1/journal").stat().st_size
    assert boot.end() == 1
    boot.release()
    lab.kill_bench()
    os.truncate(lab.folder / "runs/1/journal", size)
    lab.start_bench()
    assert lab.begin(1, 0) is None
    assert lab.step(1, 1).end() == 2


def test_an_event_that_only_the_journal_has_never_happened(lab):
    lab.confirms = False
    lab.announce(a_plan(1))
    boot = lab.step(1, 0)
    size = (lab.folder / "outbox").stat().st_size
    assert boot.end() == 1
    boot.release()
    lab.kill_bench()
    os.truncate(lab.folder / "outbox", size)
    lab.start_bench()
    again = lab.step(1, 0)
    assert again.end() == 1
    again.release()


def test_bytes_that_a_killed_bench_had_read_and_not_written_are_journaled_once(lab):
    lab.announce(a_plan(1))
    boot = lab.step(1, 0)
    console = boot.console()
    console.send(b"one\n")
    read_until(console, b"did one\r\n")
    lab.kill_bench()
    run = lab.folder / "runs" / "1"
    journal = Journal(run / "journal")
    for channel, sequence in (("main", journal.sequence + 1), ("other", journal.sequence)):
        inbox = Inbox(run, channel, 100)
        inbox.expect(sequence)
        left, right = os.pipe()
        os.write(right, b"late on " + channel.encode() + b"\r\n")
        assert inbox.read(left)
        for file in (left, right):
            os.close(file)
        inbox.close()
    journal.close()
    lab.start_bench()
    assert read_until(console, b"late on main\r\n") == b"late on main\r\n"
    boot.end()
    boot.release()
    until(lambda: "late on main" in lab.messages(1, "target"))
    assert not lab.messages(1, "feedback")


def test_input_that_a_killed_bench_had_sent_and_not_journaled_is_not_sent_again(lab):
    lab.announce(a_plan(1))
    boot = lab.step(1, 0)
    console = boot.console()
    lab.kill_bench()
    run = lab.folder / "runs" / "1"
    journal = Journal(run / "journal")
    note = Note(run, "main", 100)
    note.take(journal.sequence + 1, Kind.INPUT, (0, 1), b"one\n")
    note.close()
    journal.close()
    lab.start_bench()
    console.send(b"one\n")
    console.send(b"two\n")
    assert b"one" not in read_until(console, b"did two")
    boot.end()
    boot.release()
    until(lambda: lab.messages(1, "input") == ["one\n", "two\n"])
