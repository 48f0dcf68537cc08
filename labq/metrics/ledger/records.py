"""What the ledger keeps, as it is shown and sent: frozen values without secrets."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from labq.metrics.ledger.masking import Kept

BOUNDS_MS = (
    1,
    2,
    3,
    5,
    7,
    10,
    15,
    20,
    30,
    50,
    75,
    100,
    150,
    200,
    300,
    500,
    1000,
    2000,
    5000,
    10000,
)
"""Durations are counted by these classes, so that those of several processes can be added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementCall:
    """One call of a statement; `text` is empty where the statement's own row has it."""

    id: str
    ms: float
    rows: int
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """One request that has ended; `bytes` is null where the length was not known beforehand."""

    id: str
    process: str
    at: datetime
    endpoint: str
    method: str
    path: str
    query: str
    user: str
    status: int
    ms: float
    cpu_ms: float
    queries: int
    query_ms: float
    rows: int
    bytes: int | None
    cache: dict[str, int]
    is_slow: bool
    profile: str = ""
    statements: tuple[StatementCall, ...] = ()
    stacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionRow:
    """One transaction over the threshold; `request` is the id of the one it was part of."""

    process: str
    at: datetime
    site: str
    ms: float
    queries: int
    query_ms: float
    rows: int
    has_failed: bool
    request: str = ""
    statements: tuple[StatementCall, ...] = ()
    stacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRow:
    """Transactions of one call site; milliseconds."""

    site: str
    count: int
    failed: int
    ms: float
    longest_ms: float
    longest_at: datetime
    last_minute: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRow:
    """Requests of one endpoint; `classes` counts them by BOUNDS_MS, the last one is above all."""

    endpoint: str
    count: int
    failed: int
    ms: float
    cpu_ms: float
    query_ms: float
    queries: int
    rows: int
    bytes: int
    longest_ms: float
    classes: tuple[int, ...]
    cache: dict[str, int] = field(default_factory=dict)

    def percentile(self, share: float) -> float:
        """Return the upper bound of the class in which this share of the requests ends."""
        wanted, seen = share * self.count, 0
        for bound, count in zip(BOUNDS_MS, self.classes, strict=False):
            seen += count
            if seen >= wanted:
                return float(min(bound, self.longest_ms))
        return self.longest_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowestCall:
    """The raw text and the masked parameters of a statement's slowest call, to be explained.

    `seal` proves that a process with the server's key wrote it.
    """

    text: str
    parameters: dict[str, Kept]
    seal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRow:
    """Calls of one statement; `plan` was made once it was slow, `call` is what EXPLAIN runs."""

    id: str
    text: str
    count: int
    ms: float
    longest_ms: float
    longest_at: datetime
    rows: int
    plan: str = ""
    call: SlowestCall | None = None

    @property
    def mean_ms(self) -> float:
        """Return the mean time of a call."""
        return self.ms / self.count if self.count else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteRow:
    """The transactions that ended in one minute."""

    minute: datetime
    count: int
    ms: float
    longest_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What one process has counted since it began."""

    process: str
    part: str
    at: datetime
    began_at: datetime
    requests: int
    sql_log_until: datetime | None
    endpoints: tuple[EndpointRow, ...]
    sites: tuple[SiteRow, ...]
    minutes: tuple[MinuteRow, ...]
    statements: tuple[StatementRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRow:
    """One request under the profiler: functions by the time in and below them."""

    id: str
    process: str
    at: datetime
    endpoint: str
    path: str
    user: str
    ms: float
    text: str
