"""The inner actions of a step: their numbers, log lines, cases of suite `lava`, and deadlines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from labq.actions.steps import group_calls
from labq.actions.steps.expiry import TestTimeoutError
from labq.actions.steps.group_calls import Call
from labq.domain.deadline import Deadline, monotonic
from labq.domain.errors import InfrastructureError, JobError, LabqError
from labq.domain.verdicts import CaseResult, Level, Verdict
from labq.hw.session import Session

LAB_SIDE = frozenset(
    {
        "bootloader-interrupt",
        "connect-device",
        "pdu-reboot",
        "power-off",
        "power-on",
        "pre-os-command",
        "pre-power-command",
        "prepare-tftp-overlay",
        "reset-connection",
        "reset-device",
        "user-command",
    }
)
"""Inner actions whose expiry the lab must mend, not the submitter."""

TEST_SIDE = frozenset(
    {
        "lava-docker-test-shell",
        "lava-test-interactive",
        "lava-test-monitor",
        "lava-test-shell",
    }
)


def clock_text(seconds: float) -> str:
    """Return a duration as HH:MM:SS."""
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def seconds_of(duration: float) -> Decimal:
    """Return a duration as a measurement in seconds, to the hundredth."""
    return Decimal(f"{max(0.0, duration):.2f}")


def expired(action: str, seconds: float, facts: str = "") -> LabqError:
    """Return the error for an inner action whose time is over, typed by who must act."""
    message = f"{action} timed out after {round(seconds)} seconds"
    message += f": {facts}" if facts else ""
    if action in LAB_SIDE:
        return InfrastructureError(message)
    return TestTimeoutError(message) if action in TEST_SIDE else JobError(message)


def namespaced(session: Session, key: str, namespace: str = "") -> str:
    """Return the key under which values of a namespace (empty: this step's) are remembered."""
    namespace = namespace or session.step.namespace
    return key if namespace in {"", "common"} else f"{namespace}/{key}"


@dataclass(slots=True)
class Work:
    """One try of a step. `clock` is the journal's for steps that replay."""

    session: Session
    clock: Callable[[], float] = monotonic
    deadlines: list[Deadline] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    _calls: list[Call] = field(default_factory=list)

    @contextmanager
    def block(self, name: str, *, opens: bool = True, closes: bool = True) -> Iterator[Deadline]:
        """Surround the work of one definition block by its `start:` and `end:` lines.

        A block of two steps is opened by the first and closed by the second, or by a failure.
        """
        step = self.session.step
        seconds = step.timeouts.block / max(step.tries, step.repeat)
        began = self._began(step.action, opens)
        self.numbers, self.deadlines = [step.action, 0], [Deadline.after(seconds, self.clock())]
        label = f"{step.action} {name}"
        if opens:
            self._say(Level.INFO, f"start: {label} (timeout {clock_text(seconds)})")
        done = False
        self._calls = group_calls.calls_of(self.session)
        try:
            yield self.deadlines[0]
            if closes:
                self._make_calls(self._calls)
            done = True
        finally:
            if closes or not done:
                took = clock_text(self.clock() - began)
                self._say(Level.INFO, f"end: {label} (duration {took})")

    @contextmanager
    def action(self, name: str, *, case: bool = False) -> Iterator[Deadline]:
        """Surround an inner action; with `case`, report it in suite `lava` with its duration."""
        self.numbers[-1] += 1
        label = f"{'.'.join(map(str, self.numbers))} {name}"
        self.numbers.append(0)
        began = self.clock()
        seconds = self.seconds(name)
        self.deadlines.append(Deadline.after(seconds, began))
        self._say(Level.DEBUG, f"start: {label} (timeout {clock_text(seconds)})")
        verdict = Verdict.FAIL
        try:
            self._make_calls([call for call in self._calls if group_calls.is_due(call, name)])
            yield self.deadlines[-1]
            verdict = Verdict.PASS
        finally:
            took = self.clock() - began
            self._say(Level.DEBUG, f"end: {label} (duration {clock_text(took)})")
            self.deadlines.pop()
            self.numbers.pop()
            if case:
                self.report(name, verdict, took)

    def _make_calls(self, calls: Sequence[Call]) -> None:
        """Make calls to the group, each once in a try.

        Those whose inner action never began are made when the block is done: others wait for them.
        """
        for call in list(calls):
            self._calls.remove(call)
            group_calls.make(self.session, call, self.deadlines[-1].remaining(self.clock()))

    def seconds(self, name: str) -> float:
        """Return how long the inner action may still take within everything around it."""
        left = self.deadlines[-1].remaining(self.clock())
        return min(self.session.step.timeouts.of(name), left)

    def report(
        self,
        case: str,
        verdict: Verdict,
        duration: float | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        """Report a case of suite `lava`."""
        self.session.report(
            CaseResult(
                suite="lava",
                case=case,
                verdict=verdict,
                measurement=None if duration is None else seconds_of(duration),
                units="" if duration is None else "seconds",
                details={"namespace": self.session.step.namespace, **(details or {})},
            )
        )

    def info(self, message: str) -> None:
        """Log for readers of the job."""
        self.session.log(Level.INFO, message)

    def debug(self, message: str) -> None:
        """Log a detail."""
        self.session.log(Level.DEBUG, message)

    def _began(self, action: int, opens: bool) -> float:  # noqa: FBT001  (one private caller)
        key = f"began/{action}"
        before = None if opens else self.session.recall(key)
        if isinstance(before, int | float):
            return float(before)
        now = self.clock()
        if not self.session.step.replays:
            self.session.remember(key, now)
        return now

    def _say(self, level: Level, message: str) -> None:
        self.session.log(level, f"{message} [{self.session.step.namespace or 'common'}]")
