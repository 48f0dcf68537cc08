"""One run on its host: folder, plan, journal, log, and what the present step has emitted."""

from __future__ import annotations

import json
import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from labq.bench.emissions import Emissions
from labq.bench.gate import RunGate
from labq.bench.journal import CannotWriteError, Journal
from labq.bench.log_lines import Shown
from labq.bench.outbox import Outbox
from labq.bench.run_log import RunLog
from labq.benchlink.heard import Heard, dump, load
from labq.benchlink.messages import Granted
from labq.benchlink.pauses import Span
from labq.benchlink.records import Kind, Record
from labq.domain.bounds import MOST_NAME_BYTES, cut, fitted
from labq.domain.deadline import monotonic
from labq.domain.errors import InfrastructureError, LabqError, TestError
from labq.domain.events import Event, StepBegan
from labq.domain.orders import GroupMail
from labq.domain.plan import Plan
from labq.domain.verdicts import CaseResult, Level
from labq.hw.boot import boot_id
from labq.plans import load_plan

JOIN_MARGIN_SECONDS = 30.0
"""After the time in which a step of the run gives up itself."""
log = logging.getLogger(__name__)
Case = tuple[object, object, object]
_STATE = (Kind.EPOCH, Kind.BEGIN, Kind.LOST, Kind.END, Kind.BACK, Kind.GROUP)
_NO_STATE = (Kind.RESULT, Kind.MESSAGE)


@dataclass(slots=True)
class Past:
    """What the journal tells of a run's steps. Positions are bytes of the journal.

    `worked` are the seconds of earlier boots of the machine: each has a monotonic clock of its own.
    `pauses` are those of the held step, since the begin that it reads from; `away` is how long its
    bench was away since the last begin. `joined_at` is when the run's group was complete: its times
    count from then on.
    """

    first_begin: dict[tuple[int, int], int] = field(default_factory=dict)
    last_begin: int = 0
    last_begin_at: float = 0.0
    ends: dict[str, int | None] = field(default_factory=dict)
    began_at: float | None = None
    waited: float = 0.0
    worked: float = 0.0
    last_at: float = 0.0
    boot: str = ""
    lost_at: float | None = None
    pauses: list[Span] = field(default_factory=list)
    away: float = 0.0
    joined_at: float | None = None

    def joined(self, at: float) -> None:
        """Let times count from now on: the run's group is complete."""
        if self.joined_at is None:
            self.joined_at = self.began_at = at
            self.worked = self.waited = 0.0
            self.last_begin_at = max(self.last_begin_at, at)

    def saw_boot(self, boot: str) -> None:
        """Note in which boot of the machine a step began."""
        if self.boot and boot != self.boot:
            self._close_clock()
            self.began_at = None
        self.boot = boot

    def go_on_from(self, now: float) -> None:
        """Let times count from now on: what they were taken from is gone."""
        self._close_clock()
        self.began_at = self.last_begin_at = now
        self.lost_at, self.away = None, 0.0
        self.pauses.clear()

    def lost(self, at: float) -> None:
        """Note that nobody holds the step from now on."""
        self.lost_at = at

    def went_on(self, at: float, *, replays: bool) -> None:
        """Note that a step is granted; one that replays has the pauses of before."""
        if not replays:
            self.pauses.clear()
        elif self.lost_at is not None:
            self.pauses.append((self.lost_at, at))
        self.lost_at, self.away = None, 0.0

    def came_back(self, since: float, at: float) -> None:
        """Note that the bench was away in a hold."""
        self.pauses.append((since, at))
        self.away += at - since

    def _close_clock(self) -> None:
        began = self.last_at if self.began_at is None else self.began_at
        self.worked += max(0.0, self.last_at - began - self.waited)
        self.waited = self.last_at = 0.0


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told: that journal and log grew, that a run cannot go on. And how long it may grow.

    `full` is asked for room on a full disk.
    """

    grew: Callable[[BenchRun], None]
    failed: Callable[[BenchRun, LabqError], None]
    most_bytes: int
    full: Callable[[], bool] = lambda: False


class BenchRun:
    """Everything of one run that is not a console."""

    def __init__(self, folder: Path, watch: Watch) -> None:
        self.folder = folder
        self.plan: Plan = load_plan((folder / "plan.json").read_bytes())
        self.journal = Journal(folder / "journal", watch.full)
        primary, masks = primary_channel(self.plan), self.plan.masks
        self.log = RunLog(folder / "log", primary, masks, Shown.of(self.plan))
        self.past = Past()
        self.emissions = Emissions()
        self._watch = watch
        self._before: Counter[Case] = Counter()
        self._now: Counter[Case] = Counter()
        self.last_event = 0
        self.heard = Heard(self.plan.seat) if self.plan.seat else None
        self.gate = RunGate(self.plan.run, self.plan, 0, 0, 0.0)
        self.gate.heard = 0 if self.heard else None

    @property
    def primary(self) -> str:
        """Return the channel whose lines have the level `target`."""
        return primary_channel(self.plan)

    @property
    def step(self) -> int:
        """Return the step that records belong to."""
        return self.gate.hold.step if self.gate.hold else self.gate.next

    def recover(self, away_since: float) -> None:
        """Read the journal: the gate's state, what was emitted, the log.

        `away_since` is when the bench before this one wrote or lived last.
        """
        for record in self.journal.records():
            if record.kind in _STATE:
                self._apply(record)
        self.log.recover(self.journal)
        if self.is_of_earlier_boot:
            self.past.go_on_from(monotonic())
        elif self.gate.hold:
            self._note_back(away_since)
        if self.gate.hold:
            self.collect_emissions()
        self._watch.grew(self)

    def _note_back(self, away_since: float) -> None:
        data = json.dumps({"since": away_since}).encode()
        try:
            self._apply(self.record(Kind.BACK, data))
        except CannotWriteError as error:
            log.warning("run %d: the bench's absence counts as its time: %s", self.plan.run, error)

    def collect_emissions(self) -> None:
        """Find what the present step emitted since the begin that it reads from, and before."""
        start = self.start_of_step()
        self.emissions = Emissions.of(self.journal.records(start), self.step)
        first = self.past.first_begin[self.gate.epoch, self.step]
        earlier = takewhile(lambda item: item.position < start, self.journal.records(first))
        self._before = _cases(earlier, self.step)
        self._now = _cases(self.journal.records(start), self.step)

    def start_of_step(self) -> int:
        """Return where the held step reads from."""
        if self.plan.steps[self.step].replays:
            return self.past.first_begin[self.gate.epoch, self.step]
        return self.past.last_begin

    def record(self, kind: Kind, data: bytes, *, channel: str = "", number: int = 0) -> Record:
        """Append to journal and log; nobody sees or uses it before.

        Raises TestError when the journal is too long, InfrastructureError when the disk refuses.
        """
        most = self._watch.most_bytes
        if kind is Kind.OUTPUT and self.journal.size + len(data) > most:
            raise TestError(f"console output over {most} bytes")
        record = self.journal.append(kind, data, channel=channel, step=self.step, number=number)
        self.log.feed(record)
        if number:
            self.emissions.note(record)
        self._watch.grew(self)
        return record

    def say(self, level: Level, message: str, number: int = 0) -> int:
        """Log a line and return its number; an emission that is there already is not repeated."""
        if number and number in self.emissions.lines:
            return self.emissions.lines[number]
        shown = Level.DEBUG if level is Level.EVENT else level
        line = self.log.lines.count
        data = {"lvl": shown.value, "msg": message, "line": line}
        self.record(Kind.LOG, json.dumps(data).encode(), number=number)
        return line

    def event(
        self, outbox: Outbox, kind: Kind, event: Event, *, number: int = 0, **extra: object
    ) -> Record:
        """Write a durable event to outbox and journal, or to none; see `Outbox.show`."""
        entry = outbox.append(kind, fitted(event), extra, number)
        try:
            record = self.record(kind, entry.payload(), number=number)
        except CannotWriteError:
            outbox.take_back(entry)
            raise
        self.last_event = entry.sequence
        if kind not in _NO_STATE:
            self._apply(record)
        return record

    def hear(self, mail: Iterable[GroupMail]) -> bool:
        """Write down what the run's group says; tell whether the group has become complete by it."""
        if self.heard is None:
            return False
        was_joined = self.heard.is_joined
        for data in dump(self.heard.unknown(mail)):
            self._apply(self.record(Kind.GROUP, data))
        return self.heard.is_joined and not was_joined

    @property
    def joining_seconds(self) -> float:
        """Return how long the run waits for its group at most, 0 when it does not."""
        if self.heard is None or self.heard.is_joined:
            return 0.0
        return self.heard.seat.timeout + JOIN_MARGIN_SECONDS

    def begin(
        self,
        outbox: Outbox,
        event: StepBegan,
        token: str,
        connection: int,
        *,
        cpus: tuple[int, ...] = (),
    ) -> None:
        """Grant the next step to a worker, with the core that it owns."""
        self.event(outbox, Kind.BEGIN, event, token=token, cpus=cpus, boot=boot_id())
        if self.gate.hold:
            self.gate.hold.connection = connection
        self.emissions = Emissions()
        self._before, self._now = Counter(), Counter()
        if event.begins > 1:
            self.collect_emissions()
        # A step reads its journal from its begin: what was heard before stands there once more.
        for data in dump(self.heard.mail.values()) if self.heard else ():
            self.record(Kind.GROUP, data)

    def granted(self, token: str) -> Granted:
        """Return what the worker needs to know."""
        return Granted(
            token=token,
            folder=str(self.folder),
            start=self.start_of_step(),
            replay=self.journal.size,
            cpus=self.gate.hold.cpus if self.gate.hold else (),
            pauses=tuple(self.past.pauses) if self.plan.steps[self.step].replays else (),
        )

    def lose(self) -> None:
        """Note that the hold is lost."""
        self._apply(self.record(Kind.LOST, b"{}"))

    def set_epoch(self, epoch: int, following: int, reason: str) -> None:
        """Go to a higher epoch. The sync comes with the next begin."""
        data = {"epoch": epoch, "next": following, "reason": reason}
        self._apply(self.record(Kind.EPOCH, json.dumps(data).encode()))

    @property
    def is_of_earlier_boot(self) -> bool:
        """Tell whether the machine was started anew since a step was granted last.

        What steps left in files is not synced: it may be lost.
        """
        return self.past.boot not in ("", boot_id())

    def forget_files(self) -> None:
        """Remove what steps left for later ones."""
        shutil.rmtree(self.folder / "files", ignore_errors=True)
        (self.folder / "files").mkdir(mode=0o755)
        for name in ("remembered.json", "emulator.json"):
            (self.folder / name).unlink(missing_ok=True)

    def remembered(self) -> dict[str, object]:
        """Return what steps left for later ones."""
        try:
            value = json.loads((self.folder / "remembered.json").read_bytes())
        except FileNotFoundError:
            return {}
        return value if isinstance(value, dict) else {}

    def job_seconds(self, now: float) -> float:
        """Return how long the run has worked; waits for slots and for its group are left out."""
        if self.joining_seconds:
            return 0.0
        began = self.past.began_at
        present = 0.0 if began is None or began > now else now - began - self.past.waited
        return self.past.worked + present

    def is_reported(self, result: CaseResult, number: int) -> bool:
        """Tell whether an earlier begin of the step has reported this case as often as this one."""
        test_set = None if result.test_set is None else self._name(result.test_set)
        case = (self._name(result.suite), test_set, self._name(result.case))
        self._now[case] += 1
        if self._now[case] > self._before[case]:
            return False
        self.emissions.lines[number] = self.log.lines.count
        return True

    def _name(self, text: str) -> str:
        """Return a name as it stands in events."""
        return cut(self.log.lines.mask(text), MOST_NAME_BYTES)

    def failed(self, error: LabqError) -> None:
        """Tell that the run cannot go on."""
        self._watch.failed(self, error)

    def close(self) -> None:
        """Close journal and log."""
        self.journal.close()
        self.log.close()

    def _apply(self, record: Record) -> None:
        data = json.loads(record.data) if record.data else {}
        match record.kind:
            case Kind.EPOCH:
                self.gate.apply_epoch(int(data["epoch"]), int(data["next"]))
            case Kind.BEGIN:
                self.past.saw_boot(str(data.get("boot", "")))
                self._apply_begin(record, data)
            case Kind.LOST:
                self.past.lost(record.at)
                self.gate.apply_lost()
            case Kind.GROUP:
                self._apply_group(record)
            case Kind.BACK:
                self.past.came_back(float(data["since"]), record.at)
            case Kind.END:
                token = self.gate.hold.token if self.gate.hold else ""
                following = data["e"]["next"]
                self.past.ends[token] = following
                self.gate.apply_end(record.step, following)
            case _:
                raise InfrastructureError(f"record {record.kind} does not change the gate")
        self.past.last_at = max(self.past.last_at, record.at)

    def _apply_begin(self, record: Record, data: Mapping[str, Any]) -> None:
        key = (self.gate.epoch, record.step)
        is_again = key in self.past.first_begin
        self.past.went_on(record.at, replays=is_again and self.plan.steps[record.step].replays)
        self.past.first_begin.setdefault(key, record.position)
        self.past.last_begin = record.position
        self.past.last_begin_at = record.at
        if self.past.began_at is None:
            self.past.began_at = record.at
        else:
            self.past.waited += int(data["e"]["waited_ms"]) / 1000
        self.gate.apply_begin(data["token"], record.step, None)
        if self.gate.hold:
            self.gate.hold.cpus = tuple(data.get("cpus", ()))

    def _apply_group(self, record: Record) -> None:
        if self.heard is not None:
            self.heard.take(load(record.data))
            self.gate.heard = self.heard.last
            if self.heard.is_joined:
                self.past.joined(record.at)


def primary_channel(plan: Plan) -> str:
    """Return the channel whose lines have the level `target`."""
    if not plan.consoles:
        return ""
    return max(plan.consoles, key=lambda console: console.primary).channel


def _cases(records: Iterable[Record], step: int) -> Counter[Case]:
    """Count the cases that a step reported in these records."""
    events = (json.loads(item.data)["e"] for item in records if item.kind == Kind.RESULT)
    return Counter(
        (event["suite"], event["test_set"], event["case"])
        for event in events
        if event["step"] == step
    )
