"""The bench's process: one a host folder."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import secrets
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice

from labq import __version__
from labq import log as logging_setup
from labq.bench import endings, kept_limits, slots
from labq.bench.bench import Bench
from labq.bench.claim import Claim, ClaimKeeper
from labq.bench.desk import listen
from labq.bench.disk import Disk
from labq.bench.disk_guard import DiskGuard
from labq.bench.host import Host
from labq.bench.intake import Intake
from labq.bench.limits import Limits
from labq.bench.load_watch import LoadWatch
from labq.bench.memory_guard import MemoryGuard
from labq.bench.minder import Minder
from labq.bench.orders import OrderReader
from labq.bench.outbox import Outbox
from labq.bench.pulse import Pulse
from labq.bench.recovery import recover
from labq.bench.reserve import Reserve
from labq.bench.run_folder import HostFolder
from labq.bench.shipper import Shipper
from labq.bench.waits import waits
from labq.benchlink.keeper import ExitWatch, KeeperClient
from labq.config import Settings, load
from labq.domain import protocol
from labq.domain.deadline import Deadline, monotonic
from labq.domain.errors import ConfigurationError, InfrastructureError, LabqError
from labq.domain.events import HoldState, Report

REPORT_SECONDS = 5.0
IDLE_REPORT_SECONDS = 0.5
COALESCE_SECONDS = 0.03
LAST_WORDS_SECONDS = 0.5
KEEPER_SECONDS = 10.0
THREADS = 256
MOST_WAITS = 200
CANNOT_START = 2
TAKEN_OVER = 3

log = logging.getLogger(__name__)


def main() -> int:
    """Run the bench of this host until a signal.

    Returns CANNOT_START when it cannot be started, TAKEN_OVER when another machine runs the host.
    """
    settings = load()
    logging_setup.setup("bench", settings)
    try:
        folder = HostFolder(settings.bench_folder)
        with _alone(folder):
            is_taken = asyncio.run(_serve(settings, folder))
    except (OSError, LabqError) as error:
        log.error("the bench cannot be started: %s", error)  # noqa: TRY400 - the line says it all
        return CANNOT_START
    return TAKEN_OVER if is_taken else 0


@contextlib.contextmanager
def _alone(folder: HostFolder) -> Iterator[None]:
    """Hold the host folder; raises ConfigurationError when another bench has it."""
    file = os.open(folder.path / "bench.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(file)
        raise ConfigurationError(f"another bench serves {folder.path}") from error
    try:
        yield
    finally:
        os.close(file)


async def _serve(settings: Settings, folder: HostFolder) -> bool:
    """Serve to the end; return whether that came because another machine runs the host."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS, "bench"))
    reserve = Reserve(folder.path / "reserve", settings.host_reserve_bytes // 4)
    outbox = Outbox(folder.path / "outbox", reserve.free)
    shipper = Shipper(settings.redis_url, settings.host, outbox)
    keeper, exits = await _keeper(folder)
    host = Host(
        settings, folder, Disk(loop), outbox, shipper, keeper, _limits(settings, folder), reserve
    )
    bench = Bench(host)
    intake = Intake(bench)
    minder = Minder(settings, bench.steps_of_workers)
    pulse = Pulse(folder.path)
    await recover(bench, keeper.entries(), pulse)
    loop.add_reader(exits, _take_exit, bench, exits)
    reader = OrderReader(
        settings.redis_url,
        settings.host,
        intake.last,
        lambda entries: loop.call_soon_threadsafe(intake.put, entries),
        returned=lambda seconds: loop.call_soon_threadsafe(minder.redis_is_back, seconds),
    )
    server = await _listening(settings, bench)
    is_taken = await _work(bench, intake, reader, _Care(minder, pulse))
    server.close()
    host.uploads.stop()
    shipper.stop(LAST_WORDS_SECONDS)
    host.disk.stop()
    return is_taken


def _limits(settings: Settings, folder: HostFolder) -> Limits:
    """Return the limits as the bench before this one left them."""
    return Limits(
        slots.own(settings),
        kept_limits.read_config(folder.path),
        was_overloaded=kept_limits.was_overloaded(folder.path),
        now=monotonic(),
    )


async def _keeper(folder: HostFolder) -> tuple[KeeperClient, ExitWatch]:
    """Connect to the keeper, which the host's supervisor may still be starting."""
    path = folder.path / "keeper.sock"
    deadline = Deadline.after(KEEPER_SECONDS)
    while True:
        try:
            return KeeperClient(path), ExitWatch(path)
        except InfrastructureError:
            if deadline.is_over():
                raise
            await asyncio.sleep(0.05)


def _take_exit(bench: Bench, exits: ExitWatch) -> None:
    exit_ = exits.take()
    if exit_ is None:
        log.error("the keeper is gone, and with it all consoles")
        os.kill(os.getpid(), signal.SIGHUP)
        asyncio.get_running_loop().remove_reader(exits)
        return
    number, _, _ = exit_.key.partition("/")
    stand = bench.stands.get(int(number)) if number.isdigit() else None
    if stand:
        stand.consoles.exited(exit_.key, exit_.code)


async def _listening(settings: Settings, bench: Bench) -> asyncio.Server:
    path = settings.bench_socket
    path.unlink(missing_ok=True)
    server = await listen(str(path), bench)
    path.chmod(0o600)
    return server


async def _work(bench: Bench, intake: Intake, reader: OrderReader, care: _Care) -> bool:
    """Serve until a signal: SIGTERM and SIGINT end all runs, SIGHUP leaves them to the next bench.

    All runs end also when another machine runs the host; returns whether that is so.
    """
    loop = asyncio.get_running_loop()
    over: asyncio.Future[bool] = loop.create_future()
    for number, ends_runs in (
        (signal.SIGTERM, True),
        (signal.SIGINT, True),
        (signal.SIGHUP, False),
    ):
        loop.add_signal_handler(number, _settle, over, ends_runs)
    watch = LoadWatch(bench)
    memory = MemoryGuard(bench, bench.host.settings)
    guard = DiskGuard(bench, bench.host.settings, bench.host.reserve)
    reports = _report(bench, intake, _Watches(watch, care.minder, guard))
    works = (
        intake.run(),
        watch.run(),
        care.minder.run(),
        guard.run(),
        memory.run(),
        care.pulse.run(),
        reports,
    )
    tasks = [loop.create_task(work) for work in works]
    for task in tasks:
        task.add_done_callback(_stop_on_error)
    claim = _claim(bench.host, lambda: loop.call_soon_threadsafe(_settle, over, True))
    claim.start()
    reader.start()
    bench.host.shipper.start()
    log.info("the bench of host %s serves", bench.host.settings.host)
    ends_runs = await over
    reader.stop()
    claim.stop()
    if ends_runs:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(bench.host.settings.host_stop_seconds):
                await endings.stop_all(bench)
    for task in tasks:
        task.cancel()
    return claim.is_lost


def _claim(host: Host, lost: Callable[[], object]) -> ClaimKeeper:
    settings = host.settings
    return ClaimKeeper(Claim(settings.redis_url, settings.host, host.folder.path), lost)


def _settle(over: asyncio.Future[bool], ends_runs: bool) -> None:  # noqa: FBT001 - a callback
    if not over.done():
        over.set_result(ends_runs)


def _stop_on_error(task: asyncio.Task[None]) -> None:
    """A bench that cannot read orders or report must not look alive."""
    if not task.cancelled() and (error := task.exception()):
        log.error("the bench cannot go on", exc_info=error)
        os.kill(os.getpid(), signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class _Care:
    """Who looks after the workers, and the sign of life for the next bench."""

    minder: Minder
    pulse: Pulse


@dataclass(frozen=True, slots=True)
class _Watches:
    """Who looks after the host's machine, and what they say for the report."""

    load: LoadWatch
    minder: Minder
    guard: DiskGuard

    def complete(self, report: Report) -> Report:
        """Return the report with what they say."""
        drained = f"drained: {report.drained}" if report.drained else ""
        notices = tuple(filter(None, (self.guard.notice, drained)))
        return replace(report, load=self.load.report(), parts=self.minder.parts, notices=notices)


async def _report(bench: Bench, intake: Intake, watches: _Watches) -> None:
    """Report on change, and every few seconds; more often while a run is idle."""
    boot, number = secrets.token_hex(8), 0
    while True:
        number += 1
        report = watches.complete(_view(bench, intake, boot, number))
        bench.host.shipper.report(report)
        is_idle = any(run.state is HoldState.IDLE for run in report.runs)
        await asyncio.sleep(COALESCE_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(IDLE_REPORT_SECONDS if is_idle else REPORT_SECONDS):
                await bench.changed.wait()
        bench.changed.clear()


def _view(bench: Bench, intake: Intake, boot: str, number: int) -> Report:
    now = monotonic()
    return Report(
        boot=boot,
        number=number,
        sequence=bench.host.outbox.visible,
        order=intake.last,
        generation=intake.generation,
        at=datetime.now(UTC),
        version=__version__,
        protocol=protocol.PROTOCOL,
        oldest_protocol=protocol.OLDEST,
        confirmed=bench.host.outbox.confirmed,
        runs=bench.gate.reports(now, endings.untold(bench)),
        slots=bench.host.limits.reports(bench.gate.uses()),
        waits=tuple(islice(waits(bench, now), MOST_WAITS)),
        config=bench.host.limits.config.revision,
        drained=bench.drain.reason,
    )
