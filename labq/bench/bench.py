"""The bench: brings workers, orders and clocks to the gate, and does what the gate decides."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Coroutine
from datetime import UTC, datetime

from labq.bench import endings, timers
from labq.bench.cores import Cores, usable_cores
from labq.bench.desk import Desk
from labq.bench.drain import Drain
from labq.bench.gate import Gate, RunGate, Waiter
from labq.bench.host import Host
from labq.bench.requests import do_request
from labq.bench.resting import Resting
from labq.bench.run import BenchRun, Watch
from labq.bench.stand import Stand
from labq.bench.waits import say_granted
from labq.benchlink.messages import (
    Answer,
    Begin,
    Done,
    DrainHost,
    Dropped,
    End,
    Reply,
    Request,
    Rest,
    Resume,
)
from labq.domain.deadline import monotonic
from labq.domain.errors import InfrastructureError, LabqError
from labq.domain.events import StepBegan
from labq.domain.orders import GroupOrder
from labq.domain.plan import Queue, StepKind, is_one_job
from labq.domain.verdicts import Level

TAKE_BACK_SECONDS = 3.0
CHECK_SECONDS = 0.05

log = logging.getLogger(__name__)


class Bench:
    """Serves the workers of a host (an Office for their Desks)."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.gate = Gate()
        self.stands: dict[int, Stand] = {}
        self.changed = asyncio.Event()
        self.cores = Cores(usable_cores())
        self._desks: dict[int, Desk] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._check: asyncio.TimerHandle | None = None
        self.shut: set[str] = set()
        self.drain = Drain(self)
        self.resting = Resting(self)
        most = host.settings.journal_bytes
        self._watch = Watch(self._grew, self._cannot_go_on, most, host.reserve.free)

    # What workers ask for

    def register(self, desk: Desk, begin: Begin) -> None:
        """A worker wants a step, or its hold back."""
        self._desks[desk.number] = desk
        if begin.token:
            self._take_back(desk, begin)
            return
        if self.host.folder.is_buried(begin.run):
            desk.say(Dropped(reason="the run has ended"))
            return
        if begin.run in self.stands:
            self._raise_epoch(self.stands[begin.run], begin.epoch, begin.step, "")
        waiter = Waiter(desk.number, begin.epoch, begin.step, monotonic())
        desk.run = begin.run
        if reason := self.gate.register(begin.run, waiter):
            desk.say(Dropped(reason=reason))
        self.pump()

    async def do(self, desk: Desk, request: Request) -> Reply:
        """Do one request of the worker that has the hold."""
        stand = self._stand_of(desk)
        if isinstance(request, End):
            work = endings.end(self, stand, desk.number, request.failure)
            return Reply(value=await asyncio.shield(work))
        if isinstance(request, Rest):
            self.resting.rest(stand)
            return Reply()
        if isinstance(request, Resume):
            await self.resting.resume(stand)
            return Reply()
        return await do_request(stand, self.host, request)

    async def drain_host(self, request: DrainHost) -> Reply:
        """Drain the host at once, or end that; the reply says how many runs were ended."""
        if request.reason:
            return Reply(value=await self.drain.begin(request.reason))
        self.drain.end()
        return Reply()

    def size_of_journal(self, desk: Desk) -> int:
        """Return how long the journal of the worker's run is."""
        return self._stand_of(desk).run.journal.size

    def left(self, desk: Desk) -> None:
        """The worker's connection is closed: its hold is lost with it."""
        self._desks.pop(desk.number, None)
        gate = self.gate.leave(desk.number, monotonic())
        if gate and gate.hold and not gate.is_busy:
            self.lose(self.stands[gate.run], "its worker is gone")
        self.pump()

    # Runs come and go

    def add(self, run: BenchRun) -> Stand:
        """Take a run in: a new one, or one from before a restart."""
        stand = Stand.of(run, self.host)
        run.gate.idle_since = monotonic()
        self.stands[run.plan.run] = stand
        for waiter in self.gate.announce(run.gate):
            desk = self._desks.get(waiter.connection)
            if desk:
                begin = Begin(run=run.plan.run, epoch=waiter.epoch, step=waiter.step, pid=0)
                self.register(desk, begin)
        self.pump()
        return stand

    @property
    def watch(self) -> Watch:
        """Return what runs tell the bench by."""
        return self._watch

    def raise_epoch(self, run: int, epoch: int, following: int, reason: str) -> None:
        """An order names a higher epoch."""
        self._raise_epoch(self.stands[run], epoch, following, reason)
        self.pump()

    def pump(self) -> None:
        """Drop who is stale and grant what can be granted, and report that something changed."""
        self.changed.set()
        self._look()
        self.resting.wake()

    def hear(self, order: GroupOrder) -> None:
        """Tell the runs of a group what others of it say."""
        for stand in self.stands.values():
            seat = stand.run.plan.seat
            if seat is None or seat.group != order.group or stand.run.gate.is_closed:
                continue
            try:
                if stand.run.hear(order.messages):
                    timers.arm(self, stand)
            except LabqError as error:
                # The report shows what it lacks, and it is told again.
                log.warning("run %s: %s", stand.run.plan.run, error)

    def has(self, connection: int) -> bool:
        """Tell whether a worker's connection is open."""
        return connection in self._desks

    def steps_of_workers(self) -> dict[int, int]:
        """Return how many steps each worker process has in hand, those left out that were fenced."""
        return Counter(desk.pid for desk in self._desks.values() if not desk.is_fenced)

    def _look(self) -> None:
        if self._check:
            self._check.cancel()
            self._check = None
        for gate, waiter, reason in self.gate.stale():
            gate.idle_since = monotonic()
            self._say(waiter.connection, Dropped(reason=reason))
        used = self.gate.used()
        for gate in self.gate.waiting():
            queue = gate.plan.steps[gate.next].queue
            limit = self.host.limits.of(queue)
            if (limit is not None and used[queue] >= limit) or not self._is_in_turn(gate):
                continue
            if self.shut and queue is not Queue.COLLECT:
                continue
            if pause := self.host.limits.pause(queue, monotonic()):
                self._look_again(pause)
            elif self._is_free(self.stands[gate.run]):
                used[queue] += 1
                self._grant(self.stands[gate.run])
            else:
                self._look_again(CHECK_SECONDS)

    def _look_again(self, seconds: float) -> None:
        """Look in so many seconds, or when it is to be sooner than that."""
        if self._check is None or self._check.when() > self._loop.time() + seconds:
            if self._check:
                self._check.cancel()
            self._check = self._loop.call_later(seconds, self._look)

    def _is_in_turn(self, gate: RunGate) -> bool:
        """Tell whether the run may work: on a serial host one begun run keeps all others waiting."""
        if not self.host.limits.is_serial or gate.next == gate.plan.collect:
            return True
        begun = [stand.run for stand in self.stands.values() if stand.run.past.began_at is not None]
        return all(run.gate.is_closed or is_one_job(run.plan, gate.plan) for run in begun)

    def lose(self, stand: Stand, reason: str) -> None:
        """The hold is lost: its begin stays counted, its child is killed."""
        stand.stop_timer()
        stand.children.kill()
        gate = stand.run.gate
        step = stand.run.plan.steps[stand.run.step]
        try:
            stand.run.say(Level.WARNING, f"step {step.name} is lost: {reason}")
            stand.run.lose()
        except LabqError as error:
            # A full disk: the hold is gone all the same, and so it is found after a restart.
            log.warning("run %s: %s", stand.run.plan.run, error)
            gate.apply_lost()
        gate.idle_since = monotonic()
        if gate.keeps_dying:
            self.start(endings.finish(self, stand, endings.keeps_dying(stand)))
        self.pump()

    def recover(self, stand: Stand) -> None:
        """Go on with a run from before a restart, and wait a moment for its worker."""
        gate = stand.run.gate
        if gate.is_closed:
            endings.bury(self, stand)
            return
        if stand.run.past.began_at is not None:
            stand.lock.take()
            stand.children.recover()
        if gate.hold:
            self.cores.claim(gate.run, gate.hold.cpus)
            # Without its consoles a hold is of no use to a worker that comes back.
            seconds = TAKE_BACK_SECONDS if gate.back is None else 0.0
            self._loop.call_later(seconds, self._give_up, stand, gate.hold.token)
        elif gate.keeps_dying:
            self.start(endings.finish(self, stand, endings.keeps_dying(stand)))

    # How the gate's decisions are done

    def _grant(self, stand: Stand) -> None:
        run, gate = stand.run, stand.run.gate
        waiter = gate.waiter
        if waiter is None:
            return
        gate.waiter = None
        step = run.plan.steps[gate.next]
        if step.kind is not StepKind.COLLECT and timers.job_seconds_left(stand) <= 0:
            self._say(waiter.connection, Dropped(reason="the job's time is over"))
            self.start(endings.finish(self, stand, timers.job_timeout(stand)))
            return
        token = secrets.token_hex(8)
        event = StepBegan(
            run=run.plan.run,
            epoch=gate.epoch,
            step=gate.next,
            at=datetime.now(UTC),
            waited_ms=int((monotonic() - waiter.since) * 1000),
            begins=gate.lost.get(gate.next, 0) + 1,
        )
        try:
            say_granted(stand.run, waiter, monotonic())
            core = self.cores.of(gate.run, step.queue)
            run.begin(self.host.outbox, event, token, waiter.connection, cpus=core)
        except LabqError as error:
            log.warning("run %s: %s", run.plan.run, error)
            self._say(waiter.connection, Dropped(reason=str(error)))
            return
        self.host.limits.note_grant(step.queue, monotonic())
        timers.arm(self, stand)
        self.start(self._tell_grant(stand, token))

    async def _tell_grant(self, stand: Stand, token: str) -> None:
        await self.host.settle(stand.run.journal.file)
        hold = stand.run.gate.hold
        if hold and hold.token == token and hold.connection is not None:
            self._say(hold.connection, stand.run.granted(token))

    def _take_back(self, desk: Desk, begin: Begin) -> None:
        stand = self.stands.get(begin.run)
        if stand is None:
            is_ours = self.host.folder.last_token(begin.run) == begin.token
            desk.say(Done(next=None) if is_ours else Dropped(reason="the run has ended"))
            return
        hold = stand.run.gate.hold
        if hold and hold.token == begin.token:
            desk.run = begin.run
            hold.connection = desk.number
            timers.arm(self, stand)
            desk.say(stand.run.granted(hold.token))
        elif begin.token in stand.run.past.ends:
            desk.run = begin.run
            stand.run.gate.handing = desk.number
            desk.say(Done(next=stand.run.past.ends[begin.token]))
        else:
            desk.say(Dropped(reason="the hold was lost"))
        self.changed.set()

    def _give_up(self, stand: Stand, token: str) -> None:
        hold = stand.run.gate.hold
        if hold and hold.token == token and hold.connection is None:
            back = stand.run.gate.back
            reason = "nobody took it back after a restart of the bench"
            self.lose(stand, reason if back is None else "its consoles are lost")

    def _raise_epoch(self, stand: Stand, epoch: int, following: int, reason: str) -> None:
        """Go to the epoch of a message or order, if it is a higher one (gate, rule 4)."""
        gate = stand.run.gate
        is_step = 0 <= following <= stand.run.plan.collect
        if epoch <= gate.epoch or gate.is_closed or not is_step:
            return
        self.fence(stand, reason or f"the run goes on at epoch {epoch}")
        stand.run.set_epoch(epoch, following, reason)
        if reason:
            stand.run.say(Level.INFO, reason)
        gate.idle_since = monotonic()

    def fence(self, stand: Stand, reason: str) -> None:
        """Take the hold from its worker, which hears of it at once, and kill its child."""
        stand.stop_timer()
        stand.children.kill()
        hold = stand.run.gate.hold
        if hold and hold.connection in self._desks:
            self._desks[hold.connection].fence(reason)

    def _is_free(self, stand: Stand) -> bool:
        """Tell whether the device is this run's and nobody else touches it."""
        if not stand.lock.is_held and stand.lock.take():
            stand.children.recover()
            stand.children.kill()
        is_free = stand.lock.is_held and stand.children.are_gone(stand.run.gate.epoch)
        queue = stand.run.plan.steps[stand.run.gate.next].queue
        return is_free and self.cores.take(stand.run.plan.run, queue, self._needs_core)

    def _needs_core(self, run: int) -> bool:
        """Tell whether a run still uses its core: by its hold, or by a child that is not gone."""
        stand = self.stands.get(run)
        if stand is None:
            return False
        hold = stand.run.gate.hold
        return bool(hold and hold.cpus) or not stand.children.are_gone(stand.run.gate.epoch)

    def _stand_of(self, desk: Desk) -> Stand:
        stand = self.stands.get(desk.run) if desk.run is not None else None
        hold = stand.run.gate.hold if stand else None
        if stand is None or hold is None or hold.connection != desk.number:
            raise InfrastructureError("this worker holds no step")
        return stand

    def _cannot_go_on(self, run: BenchRun, error: LabqError) -> None:
        stand = self.stands[run.plan.run]
        log.error("run %s: %s", run.plan.run, error)
        self.start(endings.cut_short(self, stand, error))

    def _grew(self, run: BenchRun) -> None:
        self.host.shipper.log_grew(run.plan.run, run.folder, run.log.size)
        hold = run.gate.hold
        desk = self._desks.get(hold.connection or 0) if hold else None
        if desk:
            desk.grew(run.journal.size)

    def _say(self, connection: int, answer: Answer) -> None:
        if connection in self._desks:
            self._desks[connection].say(answer)

    def start(self, work: Coroutine[object, object, None]) -> None:
        """Do some work beside the loop."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
