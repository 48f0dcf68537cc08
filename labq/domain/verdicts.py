"""Results of test cases, and the log levels that carry them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


class Verdict(StrEnum):
    """What a test case says."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    SKIP = "skip"
    UNKNOWN = "unknown"


class Level(StrEnum):
    """Levels of a log line; LAVA's clients know exactly these."""

    EXCEPTION = "exception"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    DEBUG = "debug"
    TARGET = "target"
    INPUT = "input"
    FEEDBACK = "feedback"
    EVENT = "event"
    RESULTS = "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """One named result of a step.

    `suite` is LAVA's (`lava`, `0_smoke`); `start_line` and `end_line` are 0-based log lines of the
    signals around the case; `details` is what stands in the case's metadata beside these fields
    (JSON values only).
    """

    suite: str
    case: str
    verdict: Verdict
    measurement: Decimal | None = None
    units: str = ""
    test_set: str | None = None
    start_line: int | None = None
    end_line: int | None = None
    details: Mapping[str, object] = field(default_factory=dict)
