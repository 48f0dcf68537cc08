"""A server without hosts: a database, a Redis, a conductor, and the hand that plays a host."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import redis
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from labq.conductor.lead import Lead
from labq.conductor.serve import Conductor
from labq.config import Settings
from labq.domain.errors import Failure
from labq.domain.events import (
    Event,
    EventBatch,
    HoldState,
    Report,
    ResultReported,
    RunReport,
    StepBegan,
    StepEnd,
    StepEnded,
)
from labq.domain.orders import Order, RunOrder
from labq.domain.states import DeviceHealth, HostHealth, HostState, JobState
from labq.domain.verdicts import Verdict
from labq.models.device import Device
from labq.models.host import Host
from labq.models.job import Job
from labq.models.run import Run, RunLog, Step
from labq.queue import queued_ids
from labq.services import devices, hosts, jobs, leader, users
from labq.services.database import Role, make_engine
from labq.services.devices import NewDevice
from labq.services.leader import Term
from labq.services.transitions import By
from labq.services.users import NewUser
from labq.services.visibility import Viewer
from labq.streams import (
    EVENTS_FIELD,
    GENERATION_KEY,
    ORDER_FIELD,
    REPORT_FIELD,
    dump_event_batch,
    dump_report,
    load_order,
    log_entry,
    log_stream,
    orders_stream,
    up_stream,
)

HOST = "rack"
SHELL = "{% extends 'shell.jinja2' %}\n"
DEFINITION = """\
job_name: smoke
device_type: shell
visibility: public
priority: medium
timeouts:
  job: {minutes: 5}
  action: {minutes: 1}
actions:
- boot:
    method: minimal
    prompts: ['labq-shell:']
- test:
    interactive:
    - name: shell
      prompts: ['labq-shell:']
      script:
      - {name: echo, command: echo hello}
"""
BOOT, TEST, COLLECT = 0, 1, 2
NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
_Found = TypeVar("_Found")


def eventually(look: Callable[[], _Found | None], what: str = "it", seconds: float = 15) -> _Found:
    """Return what `look` finds, once it finds something."""
    limit = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < limit, f"{what} did not happen within {seconds} s"
        time.sleep(0.01)


@dataclass
class Lab:
    """What a test of the conductor needs; `sequence` counts the events of HOST."""

    settings: Settings
    engine: Engine
    client: redis.Redis
    user: Viewer = field(default_factory=Viewer)
    sequence: int = 0
    number: int = 0

    def prepare(self, boards: int = 1) -> None:
        """Add a user, a host and boards."""
        with Session(self.engine) as session, session.begin():
            made = users.create(session, NewUser(name="ann"), now=NOW)
            self.user = Viewer(user_id=made.id, name="ann")
            hosts.add(session, HOST)
            for number in range(1, boards + 1):
                new = NewDevice(
                    name=f"board-{number}", device_type="shell", host=HOST, template=SHELL
                )
                devices.add(session, new, templates=())

    def online(self) -> None:
        """Have the host count as online without a report."""
        with Session(self.engine) as session, session.begin():
            host = session.get_one(Host, HOST)
            host.state, host.health = HostState.ONLINE, HostHealth.ACTIVE
            host.reported_at = datetime.now(UTC)

    def submit(self, text: str = DEFINITION) -> int:
        with Session(self.engine) as session, session.begin():
            return jobs.submit(session, text, user=self.user, now=datetime.now(UTC))

    def cancel(self, job: int) -> None:
        with Session(self.engine) as session, session.begin():
            jobs.cancel(session, job, user=self.user, now=datetime.now(UTC))

    @contextmanager
    def conducting(self) -> Iterator[Conductor]:
        """Run a conductor in this process."""
        engine = make_engine(self.settings.conductor_database, Role.CONDUCTOR)
        conductor = Conductor(self.settings, engine)
        thread = threading.Thread(target=conductor.run)
        thread.start()
        try:
            yield conductor
        finally:
            conductor.stop()
            thread.join(20)
            engine.dispose()
            assert not thread.is_alive()

    def job(self, job: int) -> Job:
        with Session(self.engine) as session:
            return session.get_one(Job, job)

    def run_of(self, job: int) -> Run | None:
        with Session(self.engine) as session:
            return session.scalar(select(Run).where(Run.job_id == job))

    def step(self, run: int, position: int) -> Step:
        with Session(self.engine) as session:
            return session.get_one(Step, (run, position))

    def device(self, name: str = "board-1") -> Device:
        with Session(self.engine) as session:
            return session.scalars(select(Device).where(Device.name == name)).one()

    def set_health(self, health: DeviceHealth) -> None:
        """Set what the first board is fit for, as an admin does."""
        with Session(self.engine) as session, session.begin():
            by = By("ann", datetime.now(UTC), "as the test wants it")
            devices.set_health(session, "board-1", health, by)

    def host(self) -> Host:
        with Session(self.engine) as session:
            return session.get_one(Host, HOST)

    def is_finished(self, job: int) -> bool:
        return self.job(job).state is JobState.FINISHED

    def run_by_id(self, run: int) -> Run:
        with Session(self.engine) as session:
            return session.get_one(Run, run)

    def log_of(self, run: int) -> RunLog:
        """Return what is stored of a run's log."""
        with Session(self.engine) as session:
            found = session.scalar(select(RunLog).where(RunLog.run_id == run))
            return found or RunLog(run_id=run, bytes=0, lines=0, is_packed=False)

    def generation(self) -> str:
        return (self.client.get(GENERATION_KEY) or b"").decode()

    def lead(self, holder: str = "test") -> Lead:
        """Take the lead and return its term."""

        def take() -> Term | None:
            with Session(self.engine) as session, session.begin():
                return leader.take(session, holder)

        return Lead(self.engine, eventually(take, "the lead"))

    def expire(self) -> None:
        """Let the present term run out."""
        with Session(self.engine) as session, session.begin():
            session.execute(text("UPDATE leader SET until = clock_timestamp() - interval '1 s'"))

    def sent_run(self, job: int) -> Run | None:
        """Return the job's run once its sending is noted."""
        run = self.run_of(job)
        return run if run and run.sent else None

    def orders(self) -> list[Order]:
        """Return all orders that Redis still has."""
        entries = self.client.xrange(orders_stream(HOST))
        return [load_order(fields[ORDER_FIELD.encode()]) for _, fields in entries]

    def run_orders(self, run: int) -> list[RunOrder]:
        return [one for one in self.orders() if isinstance(one, RunOrder) and one.run == run]

    def order_after(self, run: Run) -> RunOrder | None:
        """Return the newest order of a run that came after the one noted in `run`."""
        entries = self.client.xrange(orders_stream(HOST), min=f"({run.sent}")
        orders = [load_order(fields[ORDER_FIELD.encode()]) for _, fields in entries]
        mine = [one for one in orders if isinstance(one, RunOrder) and one.run == run.id]
        return mine[-1] if mine else None

    def messages(self) -> set[str]:
        return queued_ids(self.client, HOST)

    def take_messages(self) -> None:
        """Play workers that take all messages and die."""
        for key in self.client.keys(f"{HOST}.*"):
            if self.client.type(key) == b"list":
                self.client.delete(key)

    def send(self, *events: Event, first: int | None = None) -> None:
        """Send the next events of the host; `first` sends them under other numbers."""
        batch = EventBatch(first=first or self.sequence + 1, events=events)
        if first is None:
            self.sequence += len(events)
        self.client.xadd(up_stream(HOST), {EVENTS_FIELD: dump_event_batch(batch)})

    def send_raw(self, fields: dict[str, bytes]) -> None:
        self.client.xadd(up_stream(HOST), fields)

    def report(self, *runs: RunReport, **changes: object) -> None:
        """Send a report; by default it has read every order and all events are applied."""
        self.number += 1
        entries = self.client.xrevrange(orders_stream(HOST), count=1)
        values: dict[str, object] = {
            "boot": "boot-1",
            "number": self.number,
            "sequence": self.sequence,
            "order": entries[0][0].decode() if entries else "0-0",
            "generation": self.generation(),
            "at": datetime.now(UTC),
            "version": "1",
            "runs": runs,
        }
        report = Report(**(values | changes))  # type: ignore[arg-type]  # the defaults above fit
        self.client.xadd(up_stream(HOST), {REPORT_FIELD: dump_report(report)})

    def log(self, run: int, offset: int, data: bytes) -> None:
        self.client.xadd(log_stream(HOST), log_entry(run, offset, data))


def began(run: int, step: int, epoch: int = 1, begins: int = 1) -> StepBegan:
    return StepBegan(run=run, epoch=epoch, step=step, at=NOW, waited_ms=3, begins=begins)


def ended(run: int, step: int, following: int | None, epoch: int = 1) -> StepEnded:
    return StepEnded(run=run, epoch=epoch, step=step, at=NOW, end=StepEnd.DONE, next=following)


def failed(
    run: int, step: int, following: int | None, failure: Failure, epoch: int = 1
) -> StepEnded:
    return StepEnded(
        run=run, epoch=epoch, step=step, at=NOW, end=StepEnd.FAILED, next=following, failure=failure
    )


def result(run: int, step: int, case: str, offset: int = 0, epoch: int = 1) -> ResultReported:
    return ResultReported(
        run=run,
        epoch=epoch,
        step=step,
        at=NOW,
        channel="console",
        offset=offset,
        line=1,
        suite="0_shell",
        case=case,
        verdict=Verdict.PASS,
    )


def idle(run: int, step: int, epoch: int = 1, idle_ms: int = 600) -> RunReport:
    return RunReport(run=run, epoch=epoch, next=step, state=HoldState.IDLE, idle_ms=idle_ms)


def whole_run(run: int) -> list[Event]:
    """Return the events of a run in which everything went well."""
    events: list[Event] = []
    for step, following in ((BOOT, TEST), (TEST, COLLECT), (COLLECT, None)):
        events += [began(run, step), ended(run, step, following)]
    return events
