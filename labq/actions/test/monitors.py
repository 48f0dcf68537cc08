"""Test `monitors`: read results out of what the device prints by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import Parameters
from labq.actions.steps.signals import measurement
from labq.actions.steps.suite import Measured, Suite
from labq.actions.steps.work import Work, expired
from labq.actions.values import Labelled, Maybe, Name, Text
from labq.domain.deadline import Deadline
from labq.domain.errors import TestError
from labq.domain.plan import Queue, StepKind
from labq.domain.verdicts import Level, Verdict
from labq.hw.expect import Alternative, Expect, Found, alternative
from labq.hw.session import Session

ACTION = "lava-test-monitor"
SETTLE_SECONDS = 0.5
"""How long a result at the end of what came may still grow: its last digits may be on the way."""
LONGEST_NAME = 1000


class Monitor(Parameters):
    """One part of the output, from `start` to `end`.

    `pattern` is a regular expression with groups of test_case_id, result, measurement, units;
    `fixupdict` translates results.
    """

    name: Name
    start: Text
    end: Text
    pattern: Text
    fixupdict: Labelled[Literal["pass", "fail", "skip", "unknown"]] = Field(default_factory=dict)
    expected: Maybe[list[Text]] = None


class MonitorsParameters(Parameters):
    """A test block with `monitors`."""

    monitors: list[Monitor]


def run(session: Session, parameters: MonitorsParameters) -> None:
    """Watch for the monitors one after the other; nothing is sent. Raises what ends the test."""
    expect = Expect(session.console())
    work = Work(session, clock=lambda: expect.clock)
    with work.block("lava-test-monitor-retry"), work.action(ACTION) as deadline:
        for monitor in parameters.monitors:
            _Watch(work, expect, monitor, deadline).run()


@dataclass(frozen=True, slots=True)
class _Watch:
    """One monitor at its console."""

    work: Work
    expect: Expect
    monitor: Monitor
    deadline: Deadline

    def run(self) -> None:
        """Wait for the start, then report each result until the end comes."""
        suite = Suite(self.work.session, self.monitor.name.lower(), self.monitor.expected)
        end = alternative("end", self.monitor.end)
        result = alternative("result", self.monitor.pattern)
        try:
            self._wait(alternative("start", self.monitor.start))
            self.work.info(f"monitor {self.monitor.name!r}: the start came")
            while (found := self._wait(end, result)).name == "result":
                self._report(suite, found)
            self.work.info(f"monitor {self.monitor.name!r}: the end came")
        finally:
            suite.close()

    def _wait(self, *wanted: Alternative) -> Found:
        found = self.expect.wait(wanted, self.deadline, settle=SETTLE_SECONDS)
        if found is None:
            names = " or ".join(f"{one.name} {one.regex.pattern.decode()!r}" for one in wanted)
            facts = f"monitor {self.monitor.name!r} saw no {names}; last on the console: "
            facts += self.expect.tail() or "nothing"
            raise expired(ACTION, self.work.session.step.timeouts.of(ACTION), facts)
        return found

    def _report(self, suite: Suite, found: Found) -> None:
        """Report what the groups of the pattern say; raises TestError for a number that is none."""
        groups = {
            key: value.decode(errors="replace")
            for key, value in found.match.groupdict().items()
            if value is not None
        }
        case = case_id(groups.get("test_case_id", ""))
        if not case or len(case) > LONGEST_NAME:
            self._error(f"a result is dropped, it names no case: {found.text[:80]!r}")
            return
        measured = Measured()
        if "measurement" in groups:
            number = measurement(groups["measurement"].strip())
            if number is None:
                raise TestError(f"Invalid measurement {groups['measurement'][:80]!r}")
            measured = Measured(number, groups.get("units", ""))
        suite.report(case, self._verdict(groups), measured)

    def _verdict(self, groups: dict[str, str]) -> Verdict:
        """Return what `result` says by itself or by `fixupdict`; a measurement alone is a pass."""
        if "result" not in groups:
            return Verdict.PASS if "measurement" in groups else Verdict.UNKNOWN
        word = groups["result"]
        try:
            return Verdict(self.monitor.fixupdict.get(word, word))
        except ValueError:
            self._error(f"result {word[:80]!r} is none of pass, fail, skip, unknown")
            return Verdict.UNKNOWN

    def _error(self, message: str) -> None:
        self.work.session.log(Level.ERROR, message)


def case_id(text: str) -> str:
    """Return a case's name as LAVA makes it of what was printed: lower case, words joined by `_`."""
    return re.sub(r"\W+", "_", text.strip().lower())


METHOD = Method(
    name="monitors",
    action="lava-test-monitor-retry",
    parameters=MonitorsParameters,
    kind=StepKind.TEST,
    queue=Queue.TEST,
    run=run,
    replays=True,
)
