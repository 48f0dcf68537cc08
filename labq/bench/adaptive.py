"""Limits that follow the strain of the machine, and when it counts as overloaded. Pure: no clock.

Additive increase, multiplicative decrease, between a floor and a ceiling. Times are the caller's
monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from labq.bench.strain import SEVERE, Strain

SHRINK = 0.75
CALM = 0.9
GROW_SECONDS = 0.9
SETTLE_SECONDS = 2.5
"""How long a smaller limit is given to take effect, unless the strain is severe."""
FORGET_SECONDS = 10.0
FIRST_GAP_SECONDS = 0.05
SUFFER_SECONDS = 3.0
RECOVER_SECONDS = 5.0
UNWANTED = "calm, and no more are wanted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Where a limit begins and may go; `step` is what it grows by at once."""

    floor: int
    start: int
    ceiling: int
    step: int = 1


@dataclass(frozen=True, slots=True)
class Use:
    """How many slots are used and waited for."""

    used: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How many slots there are, the least pause between two starts in seconds, and why."""

    value: int
    gap: float = 0.0
    reason: str = "at its start"
    grown_at: float = 0.0
    shrunk_at: float = 0.0


def fit(limit: Limit, bounds: Bounds) -> Limit:
    """Return the limit within bounds that were changed."""
    return replace(limit, value=max(bounds.floor, min(bounds.ceiling, limit.value)))


def adapt(limit: Limit, bounds: Bounds, strain: Strain, use: Use, *, now: float) -> Limit:
    """Return the limit after a sample, without regard to how long its gap may be."""
    if strain.ratio > 1.0:
        return _shrunk(limit, bounds.floor, strain, used=use.used, now=now)
    eased = replace(limit, gap=limit.gap / 2 if limit.gap > FIRST_GAP_SECONDS else 0.0)
    if strain.ratio >= CALM:
        return replace(eased, reason=f"held: {strain.reason}")
    return _grown(eased, bounds, use, now)


def _shrunk(limit: Limit, floor: int, strain: Strain, *, used: int, now: float) -> Limit:
    strained = replace(limit, gap=max(FIRST_GAP_SECONDS, limit.gap * 2))
    if limit.value <= floor:
        return replace(strained, reason=f"at its floor: {strain.reason}")
    is_settling = now - limit.shrunk_at < SETTLE_SECONDS and strain.ratio < SEVERE
    if is_settling or used > limit.value:
        return replace(strained, reason=f"shrunk: {strain.reason}")
    value = max(floor, int(limit.value * SHRINK))
    return replace(strained, value=value, reason=f"shrunk: {strain.reason}", shrunk_at=now)


def _grown(limit: Limit, bounds: Bounds, use: Use, now: float) -> Limit:
    """Grow when the limit is what holds work back, or is still below its start.

    What was learned of other work is forgotten: a limit that is not needed goes back to its start.
    """
    is_wanted = use.waiting > 0 or use.used >= limit.value
    last = max(limit.grown_at, limit.shrunk_at)
    if not is_wanted and limit.value >= bounds.start:
        is_old = limit.value > bounds.start and now - last >= FORGET_SECONDS
        value = limit.value - 1 if is_old else limit.value
        changed_at = now if is_old else limit.grown_at
        return replace(limit, value=value, reason=UNWANTED, grown_at=changed_at)
    if limit.value >= bounds.ceiling:
        return replace(limit, reason="at its ceiling")
    if now - last < GROW_SECONDS:
        return limit
    value = min(bounds.ceiling, limit.value + bounds.step)
    return replace(limit, value=value, reason="grown: calm", grown_at=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suffering:
    """Whether the machine is overloaded, why it is or was, and when it was last (`last_at`)."""

    is_overloaded: bool = False
    reason: str = ""
    severe_since: float | None = None
    calm_since: float | None = None
    last_at: float | None = None


def judge(before: Suffering, strain: Strain, *, now: float) -> Suffering:
    """Return whether the machine is overloaded: severe strain that lasts, until it is over again."""
    is_severe, is_fine = strain.ratio >= SEVERE, strain.ratio <= 1.0
    severe_since = _since(before.severe_since, now) if is_severe else None
    calm_since = _since(before.calm_since, now) if is_fine else None
    begins = severe_since is not None and now - severe_since >= SUFFER_SECONDS
    ends = calm_since is not None and now - calm_since >= RECOVER_SECONDS
    is_overloaded = begins or (before.is_overloaded and not ends)
    return Suffering(
        is_overloaded=is_overloaded,
        reason=strain.reason if begins else before.reason,
        severe_since=severe_since,
        calm_since=calm_since,
        last_at=now if is_overloaded else before.last_at,
    )


def _since(before: float | None, now: float) -> float:
    return now if before is None else before
