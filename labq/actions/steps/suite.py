"""The results of one test suite: expected cases, sets, and what is missing at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from labq.actions.steps.work import seconds_of
from labq.domain.verdicts import CaseResult, Level, Verdict
from labq.hw.session import Session

Lines = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class Measured:
    """A number that a case measured, and its unit."""

    value: Decimal | None = None
    units: str = ""

    @classmethod
    def duration(cls, seconds: float) -> Measured:
        """Return a duration as a measurement."""
        return cls(seconds_of(seconds), "seconds")


NOTHING = Measured()
_MISSING = "missing expected test cases are reported as failed"


@dataclass(slots=True)
class Suite:
    """Reports cases of one suite. With `expected`, other cases fail and missing ones are added."""

    session: Session
    name: str
    expected: Sequence[str] | None = None
    test_set: str | None = None
    seen: set[str] = field(default_factory=set)

    def report(
        self,
        case: str,
        verdict: Verdict,
        measured: Measured = NOTHING,
        lines: Lines = (None, None),
        *,
        details: Mapping[str, object] | None = None,
    ) -> None:
        """Report a case; `lines` are the log lines of its first and last signal."""
        self.seen.add(case)
        if self.expected is not None and case not in self.expected:
            self.session.log(Level.ERROR, f"case {case!r} of {self.name} was not expected")
            verdict = Verdict.FAIL
        self.session.report(
            CaseResult(
                suite=self.name,
                case=case,
                verdict=verdict,
                measurement=measured.value,
                units=measured.units,
                test_set=self.test_set,
                start_line=lines[0],
                end_line=lines[1],
                details=dict(details or {}),
            )
        )

    def close(self) -> None:
        """Fail the expected cases that were not reported."""
        for case in self.expected or ():
            if case not in self.seen:
                self.session.log(Level.ERROR, f"case {case!r} of {self.name} was not reported")
                self.report(case, Verdict.FAIL, details={"extra": {"reason": _MISSING}})
