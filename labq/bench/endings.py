"""How steps and runs end: by their worker, by the bench itself, and with the host."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from labq.bench.gate import Gate
from labq.bench.host import Host
from labq.bench.severed import boot_before
from labq.bench.stand import Stand
from labq.bench.uploads import Parcel, waiting
from labq.benchlink.records import Kind
from labq.domain.bounds import MOST_MESSAGE_BYTES, cut
from labq.domain.deadline import monotonic
from labq.domain.errors import ErrorType, Failure, LabqError
from labq.domain.events import StepEnd, StepEnded
from labq.domain.verdicts import Level

STOPPED = Failure(type=ErrorType.INFRASTRUCTURE, message="the host was stopped")
"""Ends the runs of a host that is stopped; it says nothing of their devices."""

BURY_AGAIN_SECONDS = 1.0

log = logging.getLogger(__name__)


class Floor(Protocol):
    """The bench, as far as endings and timers need it."""

    @property
    def host(self) -> Host:
        """Return what all runs share."""

    @property
    def gate(self) -> Gate:
        """Return the gate."""

    @property
    def stands(self) -> dict[int, Stand]:
        """Return all runs at work."""

    @property
    def shut(self) -> set[str]:
        """Return why nothing but `collect` is granted; empty while the host works."""

    def pump(self) -> None:
        """Grant what can be granted."""

    def has(self, connection: int) -> bool:
        """Tell whether a worker's connection is open."""

    def fence(self, stand: Stand, reason: str) -> None:
        """Take the hold from its worker and kill its child."""

    def lose(self, stand: Stand, reason: str) -> None:
        """Count the hold as lost."""

    def start(self, work: Coroutine[object, object, None]) -> None:
        """Do some work beside the loop."""


async def end(floor: Floor, stand: Stand, connection: int, failure: Failure | None) -> int | None:
    """End the held step for its worker, which hands over from now on; return the next step."""
    gate = stand.run.gate
    stand.stop_timer()
    following = gate.following(stand.run.step, is_failed=failure is not None)
    gate.is_busy = True
    try:
        if following is None:
            await stand.close()
        _write_end(floor, stand, failure)
    finally:
        gate.is_busy = False
        if gate.hold and not floor.has(connection):
            floor.lose(stand, "its worker is gone")
    if floor.has(connection):
        gate.handing = connection
    await floor.host.settle(stand.run.journal.file)
    _go_on(floor, stand)
    return following


async def finish(floor: Floor, stand: Stand, failure: Failure) -> None:
    """End the present step without its worker; a `collect` is done by the bench itself."""
    gate = stand.run.gate
    if gate.is_busy or gate.is_closed:
        return
    gate.is_busy = True
    try:
        floor.fence(stand, failure.message)
        if stand.run.step == stand.run.plan.collect:
            await stand.tear_down()
        _write_end(floor, stand, failure)
        await floor.host.settle(stand.run.journal.file)
    finally:
        gate.is_busy = False
    _go_on(floor, stand)


async def cut_short(floor: Floor, stand: Stand, error: LabqError) -> None:
    """Close a run that cannot be journaled, and end its present step with the error.

    Where not even that can be written the hold is lost, and a test goes back to the boot before it:
    its consoles are closed, and nothing in the journal says so.
    """
    gate = stand.run.gate
    if gate.is_busy or gate.is_closed or not gate.hold:
        await stand.close()
        gate.back = boot_before(stand.run.plan, gate.next)
        return
    gate.is_busy = True
    try:
        floor.fence(stand, str(error))
        is_last = stand.run.step == stand.run.plan.collect
        await (stand.tear_down() if is_last else stand.close())
        _write_end(floor, stand, error.failure())
    except LabqError as refused:
        log.error("run %s: its step has no end: %s", stand.run.plan.run, refused)  # noqa: TRY400 - a full disk
        gate.back = boot_before(stand.run.plan, gate.next)
    finally:
        gate.is_busy = False
        _lose_hold(floor, stand, "its journal cannot be written")
    await floor.host.settle(stand.run.journal.file)
    _go_on(floor, stand)


def _lose_hold(floor: Floor, stand: Stand, reason: str) -> None:
    if stand.run.gate.hold:
        floor.lose(stand, reason)


def keeps_dying(stand: Stand) -> Failure:
    """Return why a step is not begun once more."""
    gate = stand.run.gate
    name = stand.run.plan.steps[gate.next].name
    text = f"step keeps dying: {name} was lost {gate.lost[gate.next]} times"
    return Failure(type=ErrorType.INFRASTRUCTURE, message=text)


async def stop_all(floor: Floor, failure: Failure = STOPPED) -> int:
    """End all runs at work: power off, close, say why; return how many they were."""
    stands = [stand for stand in floor.stands.values() if _is_at_work(stand)]
    works = (_stop(floor, stand, failure) for stand in stands)
    ends = await asyncio.gather(*works, return_exceptions=True)
    for stand, error in zip(stands, ends, strict=True):
        if error is not None:
            log.error("run %s cannot be stopped", stand.run.plan.run, exc_info=error)
    return len(stands)


def _is_at_work(stand: Stand) -> bool:
    return not stand.run.gate.is_closed and stand.run.past.began_at is not None


def untold(floor: Floor) -> set[int]:
    """Return the ended runs of which the server cannot hear yet: the end may not be on the disk."""
    visible = floor.host.outbox.visible
    return {
        number
        for number, stand in floor.stands.items()
        if stand.run.gate.is_closed and stand.run.last_event > visible
    }


def bury(floor: Floor, stand: Stand) -> None:
    """Leave the tombstone of a run that ended, and give its device back."""
    run = stand.run
    token = next(reversed(run.past.ends), "")
    try:
        floor.host.folder.bury(run.plan.run, run.gate.epoch, token)
    except OSError as error:
        log.error("run %s has no tombstone yet: %s", run.plan.run, error)  # noqa: TRY400 - a full disk
        asyncio.get_running_loop().call_later(BURY_AGAIN_SECONDS, bury, floor, stand)
        return
    stand.claims.release()
    stand.lock.release()
    _send_artifacts(floor, stand)
    sweep(floor)


def sweep(floor: Floor) -> None:
    """Remove the folders of ended runs whose events and log the server has."""
    for number, stand in list(floor.stands.items()):
        run = stand.run
        is_told = floor.host.outbox.confirmed >= run.last_event
        is_sent = stand.stored >= run.log.size and not floor.host.uploads.has(number)
        if run.gate.is_closed and is_told and is_sent:
            del floor.stands[number]
            floor.gate.forget(number)
            floor.host.shipper.forget(number)
            run.close()
            floor.start(_delete(floor.host.folder.take_away(run.folder)))


def _send_artifacts(floor: Floor, stand: Stand) -> None:
    """Have the files that the run left sent; what is refused is said in its log."""
    run = stand.run
    if run.plan.upload is None or not waiting(run.folder):
        return
    loop = asyncio.get_running_loop()

    def done(refused: list[str]) -> None:
        # Nobody is there to be told when the bench has ended meanwhile.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_note_sent, floor, stand, refused)

    url = floor.host.settings.server_url
    floor.host.uploads.add(Parcel(run.plan.run, run.folder, url, run.plan.upload, done))


def _note_sent(floor: Floor, stand: Stand, refused: list[str]) -> None:
    for text in refused:
        stand.run.say(Level.WARNING, f"artifact not stored: {text}")
    floor.host.uploads.forget(stand.run.plan.run)
    sweep(floor)


async def _delete(folder: Path) -> None:
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _stop(floor: Floor, stand: Stand, failure: Failure) -> None:
    run = stand.run
    if run.step != run.plan.collect:
        await finish(floor, stand, failure)
    run.gate.is_busy = True
    floor.fence(stand, failure.message)
    await stand.tear_down()
    if not run.gate.is_closed:
        _write_end(floor, stand, None)
        await floor.host.settle(run.journal.file)
        bury(floor, stand)


def _write_end(floor: Floor, stand: Stand, failure: Failure | None) -> None:
    run, gate = stand.run, stand.run.gate
    following = gate.following(run.step, is_failed=failure is not None)
    limits, began = floor.host.limits, run.past.last_begin_at
    suspect = limits.suspicion(began) if failure else ""
    limits.note_end(run.plan.steps[run.step].queue, monotonic() - began)
    event = StepEnded(
        run=run.plan.run,
        epoch=gate.epoch,
        step=run.step,
        at=datetime.now(UTC),
        end=StepEnd.FAILED if failure else StepEnd.DONE,
        next=following,
        failure=failure,
        host_fault=bool(suspect) or failure == STOPPED or bool(failure and floor.shut),
        suspect=suspect,
        device_fault=cut(stand.faults.reason, MOST_MESSAGE_BYTES) if following is None else "",
    )
    run.event(floor.host.outbox, Kind.END, event)


def _go_on(floor: Floor, stand: Stand) -> None:
    gate = stand.run.gate
    gate.idle_since = monotonic()
    if gate.is_closed:
        bury(floor, stand)
    floor.pump()
