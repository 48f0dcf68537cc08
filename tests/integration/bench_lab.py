"""A host without Celery and without a server: a keeper, a bench, and a stand-in for the conductor."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import redis

from labq import streams
from labq.benchlink.client import StepSession, begin
from labq.domain.deadline import Deadline
from labq.domain.events import Event, HoldState, Report, RunReport
from labq.domain.orders import ConfirmOrder, Order, RunOrder, StoredOrder
from labq.domain.plan import ConsoleSpec, Plan, PlanStep, PowerSpec, Queue, StepKind, Timeouts
from labq.hw.console import Console
from labq.plans import digest, dump_plan
from tests.integration.host_user import url_of_host

HOST = "bench-test"
KEEPER = """
import select, signal, sys
from pathlib import Path
from labq.supervisor.keeper import Keeper
keeper = Keeper(Path(sys.argv[1]))
def stop(*_):
    keeper.close()
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
poll = select.poll()
poll.register(keeper, select.POLLIN)
while True:
    poll.poll()
    keeper.handle()
"""
ECHO = 'while read -r line; do echo "did $line"; done'


def until(check: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Return the first true value of `check`; fail after some seconds."""
    limit = time.monotonic() + seconds
    while not (value := check()):
        assert time.monotonic() < limit, "it did not come true"
        time.sleep(0.01)
    return value


def a_step(index: int, kind: StepKind, **changes: Any) -> PlanStep:
    """Return a step of a plan."""
    step = PlanStep(
        index=index,
        kind=kind,
        queue=Queue(kind.value),
        name=f"{kind.value}-{index}",
        action=index + 1,
        method="shell",
        namespace="common",
        timeouts=Timeouts(block=60.0),
        deadline=60.0,
        restart_from=index,
        replays=kind is StepKind.TEST,
    )
    return replace(step, **changes)


def a_plan(run: int, **changes: Any) -> Plan:
    """Return a plan of boot, test and collect on a device that answers each line."""
    plan = Plan(
        run=run,
        job=run,
        host=HOST,
        device=f"device-{run}",
        device_type="shell",
        locks=(f"device-{run}",),
        steps=(
            a_step(0, StepKind.BOOT),
            a_step(1, StepKind.TEST),
            a_step(2, StepKind.COLLECT),
        ),
        dictionary={},
        consoles=(ConsoleSpec(channel="main", kind="pty", command=ECHO),),
        power=PowerSpec(kind="none"),
        job_deadline=600.0,
    )
    return replace(plan, **changes)


class Lab:
    """One host. `events` and `logs` are what a server would have stored."""

    def __init__(self, folder: Path, url: str, settings: dict[str, str]) -> None:
        self.folder = folder
        self.redis = redis.Redis.from_url(url, protocol=2)
        self.environment = {
            **os.environ,
            "LABQ_STATE": str(folder),
            "LABQ_HOST_FOLDER": str(folder),
            "LABQ_HOST": HOST,
            "LABQ_REDIS_URL": url_of_host(url, HOST),
            "LABQ_BOOT_SLOTS": "8",
            "LABQ_LOCK_FOLDER": str(folder),
            **settings,
        }
        self.socket = folder / "bench.sock"
        self.events: list[Event] = []
        self.logs: dict[int, bytearray] = {}
        self.reports: list[Report] = []
        self.gaps = 0
        self.confirms = True
        self._sessions: list[StepSession] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.keeper = self.start_keeper()
        self.bench = self.start_bench()
        self._thread.start()

    def start_keeper(self) -> subprocess.Popen[bytes]:
        """Start what keeps consoles and emulators, and wait until it listens."""
        self.keeper = self._spawn("-c", KEEPER, str(self.folder))
        until((self.folder / "keeper.sock").exists)
        return self.keeper

    def start_bench(self, first: str = "") -> subprocess.Popen[bytes]:
        """Start a bench and wait until it listens; `first` is Python code to run before it."""
        self.socket.unlink(missing_ok=True)
        self.bench = self._spawn("-c", f"{first}\nfrom labq.bench.serve import main; main()")
        until(lambda: self.socket.exists() or self.bench.poll() is not None)
        assert self.bench.poll() is None
        return self.bench

    def kill_bench(self) -> None:
        """Kill the bench as the kernel would for want of memory."""
        self.bench.kill()
        self.bench.wait()

    def order(self, order: Order) -> str:
        """Send an order and return its id."""
        fields = {streams.ORDER_FIELD: streams.dump_order(order)}
        return self.redis.xadd(streams.orders_stream(HOST), fields).decode()

    def announce(self, plan: Plan, epoch: int = 1, following: int = 0, reason: str = "") -> str:
        """Send the order that announces a run's chain."""
        text = dump_plan(plan)
        return self.order(
            RunOrder(
                run=plan.run,
                epoch=epoch,
                next=following,
                device=plan.device,
                digest=digest(text),
                plan=text,
                reason=reason,
            )
        )

    def begin(self, run: int, step: int, epoch: int = 1) -> StepSession | None:
        """Begin a step in this thread."""
        session = begin(self.socket, run=run, epoch=epoch, step=step)
        if session:
            self._sessions.append(session)
        return session

    def step(self, run: int, step: int, epoch: int = 1) -> StepSession:
        """Begin a step that must be granted."""
        session = self.begin(run, step, epoch)
        assert session is not None
        return session

    def lines(self, run: int) -> list[dict[str, Any]]:
        """Return the stored log of a run."""
        text = bytes(self.logs.get(run, b"")).decode()
        return [json.loads(line.removeprefix("- ")) for line in text.splitlines()]

    def messages(self, run: int, level: str) -> list[Any]:
        """Return the messages of one level in the stored log."""
        return [line["msg"] for line in self.lines(run) if line["lvl"] == level]

    def state(self, run: int) -> HoldState | None:
        """Return what the newest report says of a run."""
        report = self.run_report(run)
        return report.state if report else None

    def run_report(self, run: int) -> RunReport | None:
        """Return a run in the newest report."""
        if not self.reports:
            return None
        return next((item for item in self.reports[-1].runs if item.run == run), None)

    def of_kind(self, run: int, kind: str) -> list[Any]:
        """Return a run's events of one kind."""
        return [event for event in self.events if event.run == run and event.kind == kind]

    def close(self) -> None:
        """Stop everything; the bench has 10 seconds."""
        for session in self._sessions:
            session.release()
        self._over.set()
        self._thread.join(5)
        for process in (self.bench, self.keeper):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(10)
        self.redis.close()

    def _spawn(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "output").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, *words], env=self.environment, stdout=output, stderr=output
            )

    def _serve(self) -> None:
        last = {streams.up_stream(HOST): "0", streams.log_stream(HOST): "0"}
        while not self._over.is_set():
            try:
                for name, entries in self.redis.xread(last, block=50, count=500):
                    for key, fields in entries:
                        self._take(name.decode(), fields)
                        last[name.decode()] = key.decode()
                    self.redis.xtrim(name, minid=last[name.decode()])
            except redis.RedisError:
                time.sleep(0.05)

    def _take(self, stream: str, fields: dict[bytes, bytes]) -> None:
        if stream == streams.log_stream(HOST):
            self._take_log(fields)
        elif b"e" in fields:
            self._take_events(fields[b"e"])
        else:
            self.reports.append(streams.load_report(fields[b"r"]))

    def _take_events(self, data: bytes) -> None:
        batch = streams.load_event_batch(data)
        have = len(self.events)
        if batch.first > have + 1:
            self.gaps += 1
            return
        self.events.extend(batch.events[have + 1 - batch.first :])
        if self.confirms:
            self.order(ConfirmOrder(sequence=len(self.events)))

    def _take_log(self, fields: dict[bytes, bytes]) -> None:
        chunk = streams.load_log_chunk(fields)
        have = self.logs.setdefault(chunk.run, bytearray())
        if chunk.offset <= len(have):
            have += streams.unpack_log(chunk)[len(have) - chunk.offset :]
        if self.confirms:
            self.order(StoredOrder(run=chunk.run, length=len(have)))


@contextmanager
def a_lab(folder: Path, url: str, **settings: str) -> Iterator[Lab]:
    """Run a host for a test."""
    lab = Lab(folder, url, settings)
    try:
        yield lab
    finally:
        lab.close()


def read_until(console: Console, text: bytes, seconds: float = 15.0) -> bytes:
    """Read a console until the text has come, and return everything read."""
    deadline, seen = Deadline.after(seconds), b""
    while text not in seen:
        chunk = console.read(deadline)
        assert chunk, seen
        seen += chunk.data
    return seen
