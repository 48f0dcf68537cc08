"""When a device is due for its health check: a pure function of what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from labq.domain.states import DeviceHealth

PAUSE = timedelta(seconds=10)
"""The shortest time from one check of a device to the next, so that a failing one does not spin."""
CHECKED_HEALTH = (DeviceHealth.GOOD, DeviceHealth.UNKNOWN, DeviceHealth.LOOPING)
"""Bad, maintenance and retired devices get no check: somebody has to set them to unknown."""


class Denominator(StrEnum):
    """What the frequency of checks counts; the words are LAVA's."""

    HOURS = "hours"
    JOBS = "jobs"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRule:
    """How often the devices of a type are checked: every so many hours, or jobs."""

    frequency: int = 24
    denominator: Denominator = Denominator.HOURS


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckHistory:
    """A device as its checks see it; `checked_at` is when the last one was submitted."""

    health: DeviceHealth
    checked_at: datetime | None = None
    jobs_since: int = 0


def why_due(rule: CheckRule, device: CheckHistory, now: datetime) -> str | None:
    """Return why a device is due for its check now, None when it is not."""
    if device.health not in CHECKED_HEALTH:
        return None
    if device.checked_at is None:
        return "it was never checked"
    if now < device.checked_at + PAUSE:
        return None
    if device.health is not DeviceHealth.GOOD:
        return f"its health is {device.health}"
    if rule.denominator is Denominator.JOBS:
        is_over = device.jobs_since >= rule.frequency
        return f"{device.jobs_since} jobs ran since the last check" if is_over else None
    is_over = now >= device.checked_at + timedelta(hours=rule.frequency)
    return f"the last check is {rule.frequency} hours ago" if is_over else None


def describe_next(rule: CheckRule, device: CheckHistory, now: datetime) -> str:
    """Return when the next check is due, as people read it."""
    if device.health not in CHECKED_HEALTH:
        return f"none while it is {device.health}"
    if device.checked_at is None or why_due(rule, device, now):
        return "now"
    if device.health is not DeviceHealth.GOOD:
        return f"at {device.checked_at + PAUSE:%Y-%m-%d %H:%M:%S} UTC"
    if rule.denominator is Denominator.JOBS:
        return f"after {rule.frequency - device.jobs_since} more jobs"
    return f"at {device.checked_at + timedelta(hours=rule.frequency):%Y-%m-%d %H:%M} UTC"
