"""One campaign: jobs run, faults are done to the parts, and then everything has to be true."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from labq.domain.deadline import monotonic
from tests.chaos import checks, evidence, faults, fleet, table, trial
from tests.chaos import ground as grounds
from tests.chaos.faults.fault import Done, Fault, Kind, Mend
from tests.chaos.fleet import SHELL, UML
from tests.chaos.ground import Ground
from tests.chaos.record import Hit, Record
from tests.chaos.submitter import Submitter

AT_WORK = {SHELL: 12, UML: 4}
LEAST_STEPS = 5
TURN_SECONDS = 0.05
STEPS_SECONDS = 90.0
LIVE_SECONDS = 60.0
END_SECONDS = 240.0


@dataclass(frozen=True, slots=True)
class Order:
    """What a campaign is asked for: faults by a seed, or outages by name of so many seconds each."""

    faults: int
    seed: int
    broken: str = ""
    network: str = "auto"
    keep: bool = False
    outages: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def longest_pause(self) -> float:
        """Return how long a pause of a test may take: some last through an outage and beyond."""
        return self.seconds / 4 if self.outages else trial.LONGEST_PAUSE_SECONDS

    def draw(self) -> list[Fault]:
        """Return the faults."""
        if self.outages:
            return list(faults.outages(self.outages, self.seconds))
        return list(faults.draw(self.seed, self.faults, self.broken))


@dataclass(slots=True)
class _Mend:
    at: float
    act: Mend
    hit: Hit
    fault: Fault


@dataclass(slots=True)
class Campaign:
    """The faults against a ground, and what they led to."""

    order: Order
    ground: Ground
    record: Record
    submitter: Submitter
    violations: list[str] = field(default_factory=list)
    mends: list[_Mend] = field(default_factory=list)

    def run(self) -> None:
        """Do all faults, let everything come to its end, and look at it."""
        self.submitter.start()
        began = monotonic()
        drawn = self.order.draw()
        for fault in drawn:
            if not self._is_at_work():
                break
            self._do(fault)
            self._say(fault, len(drawn), began)
            if self.order.outages:
                self._wait(lambda: not self.mends, fault.seconds + END_SECONDS, "it is over")
        self._wait(lambda: not self.mends, END_SECONDS, "everything is mended")
        say(f"{monotonic() - began:.0f} s for the faults; waiting for the last jobs")
        self.submitter.stop()
        most = END_SECONDS + trial.MOST_PAUSES * self.order.longest_pause
        self._wait(self._all_ended, most, "all jobs end", pause=0.5)
        self.violations += self.submitter.trouble
        self.violations += checks.check(self.ground, self.record)

    def _is_at_work(self) -> bool:
        """Wait until enough steps run; a labq that stands still is the end of the campaign."""
        return self._wait(self._is_busy, STEPS_SECONDS, f"{LEAST_STEPS} steps run")

    def _do(self, fault: Fault) -> None:
        self._pause(fault.wait)
        if not self._is_at_work():
            return
        kind = faults.find_kind(fault.kind)
        limit = monotonic() + LIVE_SECONDS
        while True:
            done = None if self._is_hit(fault) else self._try(kind, fault)
            if done or monotonic() > limit:
                break
            self._pause(TURN_SECONDS)
        if done is None:
            self.violations.append(f"fault {fault.number}: {fault.target} does not live")
            return
        hit = Hit(fault.number, fault.kind, str(fault.target), fault.target.host, monotonic())
        hit.words = done.words
        self.record.began(hit)
        if done.mend:
            self.mends.append(_Mend(monotonic() + fault.seconds, done.mend, hit, fault))
        else:
            self.record.over(hit)

    def _try(self, kind: Kind, fault: Fault) -> Done | None:
        """Do it; None when its process ended just then, as others were killed right before."""
        try:
            return kind.do(self.ground, fault)
        except ProcessLookupError:
            return None

    def _is_hit(self, fault: Fault) -> bool:
        """Tell whether a fault of before has the same target still."""
        return any(
            mend.fault.target == fault.target or mend.hit.kind == "disk full" == fault.kind
            for mend in self.mends
        )

    def _is_busy(self) -> bool:
        return sum(1 for _ in fleet.used(self.ground.devices)) >= LEAST_STEPS

    def _all_ended(self) -> bool:
        try:
            self.submitter.turn()
        except grounds.AWAY:
            return False
        return not any(self.record.open_entries())

    def _wait(
        self, condition: Callable[[], bool], seconds: float, what: str, pause: float = TURN_SECONDS
    ) -> bool:
        limit = monotonic() + seconds
        while not condition():
            if monotonic() > limit:
                self.violations.append(f"not within {seconds:g} s: {what}")
                return False
            self._pause(pause)
        return True

    def _pause(self, seconds: float) -> None:
        """Let time pass: what is due is mended, what has ended is started again."""
        limit = monotonic() + seconds
        while True:
            self._turn()
            left = limit - monotonic()
            if left <= 0:
                return
            time.sleep(min(left, TURN_SECONDS))

    def _turn(self) -> None:
        for mend in [one for one in self.mends if one.at <= monotonic()]:
            mend.act()
            self.record.over(mend.hit)
            self.mends.remove(mend)
        self.ground.keep()

    def _say(self, fault: Fault, count: int, began: float) -> None:
        ended = sum(1 for entry in self.record.entries if entry.ended)
        hit = self.record.hits[-1] if self.record.hits else None
        words = hit.words if hit and hit.number == fault.number else "not done"
        at_work = sum(1 for _ in fleet.used(self.ground.devices))
        say(
            f"{monotonic() - began:6.1f} s  {fault.number:4}/{count}  "
            f"{fault.kind} {fault.target}: {words}; {ended} jobs over, {at_work} devices at work"
        )


def run(order: Order) -> int:
    """Run a campaign and print its table; return 1 for any violation."""
    signal.signal(signal.SIGTERM, _end)
    folder = Path(tempfile.mkdtemp(prefix="labq-chaos-"))
    record = Record(folder / "record.jsonl")
    began = monotonic()
    say(f"seed {order.seed}, {len(order.draw())} faults, in {folder}")
    violations: list[str] = []
    with grounds.prepared(folder, network=order.network, broken=order.broken) as ground:
        client = ground.client()
        submitter = Submitter(client, record, order.seed, AT_WORK, order.longest_pause)
        campaign = Campaign(order, ground, record, submitter)
        try:
            campaign.run()
            violations = campaign.violations
            if violations or order.keep:
                evidence.take(ground)
        finally:
            late = grounds.stop(ground)
    violations += [f"{name} did not end by itself" for name in late]
    violations += checks.check_stopped(ground)
    text = "\n".join(table.render(record, violations, monotonic() - began))
    sys.stdout.write(f"{text}\n")
    if violations or order.keep:
        say(f"all there is to look at is in {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if violations else 0


def _end(number: int, frame: FrameType | None) -> None:
    """Take everything down before the end."""
    raise SystemExit(128 + number)


def say(text: str) -> None:
    """Print a line of progress."""
    sys.stderr.write(f"{text}\n")
