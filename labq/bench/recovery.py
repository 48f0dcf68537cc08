"""What a new bench finds: folders, journals and outbox brought to one story, consoles taken back."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence

from labq.bench.bench import Bench
from labq.bench.inbox import left_over
from labq.bench.journal import CannotWriteError, Journal
from labq.bench.outbox import Entry, Outbox
from labq.bench.pulse import Pulse
from labq.bench.run import BenchRun
from labq.bench.severed import step_back
from labq.benchlink.keeper import Kept
from labq.benchlink.records import Kind
from labq.domain.errors import LabqError

log = logging.getLogger(__name__)
_EVENTS = (Kind.BEGIN, Kind.END, Kind.RESULT, Kind.MESSAGE)


async def recover(bench: Bench, kept: Sequence[Kept], pulse: Pulse) -> None:
    """Take all runs in again; what cannot be read is set aside and said.

    Raises CannotWriteError when the disk has no room for what the bench before had not written.
    """
    folder = bench.host.folder
    folder.clear_tombstones()
    told = bench.host.outbox.unconfirmed()
    for number, path in list(folder.found()):
        try:
            run = BenchRun(path, bench.watch)
            away_since = pulse.away_since(run.journal.last_at)
            _take_what_was_left(run)
            _reconcile(run, bench.host.outbox, [e for e in told if e.event.run == number])
            run.recover(away_since)
            if run.is_of_earlier_boot:
                run.forget_files()
        except CannotWriteError:
            # The disk is full: this bench cannot take over what it was left, a later one can.
            raise
        except (LabqError, OSError, ValueError, KeyError) as error:
            log.warning(
                "run %s is unreadable, now in %s: %s", number, folder.set_aside(path), error
            )
            continue
        await _take_in(bench, run, [entry for entry in kept if _run_of(entry) == number])
    for entry in kept:
        if _run_of(entry) not in bench.stands:
            bench.host.keeper.drop(entry.key)


async def _take_in(bench: Bench, run: BenchRun, kept: Iterable[Kept]) -> None:
    stand = bench.add(run)
    kept = list(kept)
    stand.claims.take_back(kept)
    if run.gate.is_closed:
        await stand.close()
    else:
        await stand.consoles.take_back(kept)
        stand.consoles.declare_lost()
        run.gate.back = step_back(run)
    bench.recover(stand)


def _run_of(entry: Kept) -> int:
    number = entry.key.partition("/")[0]
    return int(number) if number.isdigit() else 0


def _take_what_was_left(run: BenchRun) -> None:
    """Journal what the bench before this one had read or sent and not written down."""
    for left in left_over(run.folder):
        if left.sequence == run.journal.sequence + 1:
            run.journal.append(
                left.kind, left.data, channel=left.channel, step=left.step, number=left.number
            )


def _reconcile(run: BenchRun, outbox: Outbox, told: Sequence[Entry]) -> None:
    """Make journal and outbox tell the same events.

    The outbox is written first: an event of it that the journal lacks is appended. An event that
    only the journal has was never answered or shipped (the machine lost its power): it is cut.
    """
    journal = run.journal
    known = set()
    for record in journal.records():
        if record.kind not in _EVENTS:
            continue
        data = json.loads(record.data)
        if int(data["s"]) > outbox.last:
            journal.cut(record.position)
            break
        run.last_event = max(run.last_event, int(data["s"]))
        known.add(_name(data["e"]))
    for entry in told:
        run.last_event = max(run.last_event, entry.sequence)
        event = json.loads(entry.payload())["e"]
        if _name(event) not in known:
            _append(journal, entry)


def _append(journal: Journal, entry: Entry) -> None:
    journal.append(entry.kind, entry.payload(), step=entry.event.step, number=entry.number)


def _name(event: dict[str, object]) -> tuple[object, ...]:
    """Return what names an event within its run."""
    keys = ("kind", "epoch", "step", "begins", "offset")
    return tuple(event.get(key) for key in keys)
