"""LAVA's words, numbers and times for what labq calls otherwise: both LAVA surfaces use these alone.

States and healths are labq's own words with a capital; numbers stand in `labq.domain.states`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from labq.domain.states import (
    SCHEDULABLE_HEALTH,
    DeviceHealth,
    DeviceState,
    HostHealth,
    HostState,
    JobState,
    Outcome,
)

VERSION = "2026.08"
"""The release of LAVA whose surfaces these are: clients pick their arguments by it."""
NO_HEALTH = "Unknown"
"""The health of a job that has not ended."""
_Word = TypeVar("_Word", bound=StrEnum)
_LEGACY: dict[JobState, tuple[str, int]] = {
    JobState.RUNNING: ("Running", 1),
    JobState.CANCELING: ("Canceling", 5),
}
_LEGACY_END: dict[Outcome, tuple[str, int]] = {
    Outcome.COMPLETE: ("Complete", 2),
    Outcome.INCOMPLETE: ("Incomplete", 3),
    Outcome.CANCELED: ("Canceled", 4),
}


def word(value: JobState | DeviceState | DeviceHealth | HostState | HostHealth) -> str:
    """Return a state or health as LAVA shows it: `Submitted`, `Idle`, `Good`, `Online`, `Active`."""
    return value.value.capitalize()


def job_health(outcome: Outcome | None) -> str:
    """Return the health of a job: `Unknown` until it has ended."""
    return NO_HEALTH if outcome is None else outcome.value.capitalize()


def find_word(kind: type[_Word], text: str) -> _Word | None:
    """Return the member that LAVA's word names, in any case; None when it names none."""
    try:
        return kind(text.lower())
    except ValueError:
        return None


def legacy_status(state: JobState, outcome: Outcome | None) -> str:
    """Return the one word that older clients know a job by: `Submitted` until it runs."""
    return _legacy(state, outcome)[0]


def legacy_number(state: JobState, outcome: Outcome | None) -> int:
    """Return the number that older clients know a job by."""
    return _legacy(state, outcome)[1]


def _legacy(state: JobState, outcome: Outcome | None) -> tuple[str, int]:
    if outcome is not None:
        return _LEGACY_END[outcome]
    return _LEGACY.get(state, ("Submitted", 0))


def device_status(state: DeviceState, health: DeviceHealth) -> str:
    """Return the one word that older clients know a device by."""
    if state is not DeviceState.IDLE:
        return state.value
    if health in SCHEDULABLE_HEALTH:
        return "idle"
    return "retired" if health is DeviceHealth.RETIRED else "offline"


def visibility(groups: Sequence[str] | None) -> str:
    """Return who sees a job: the names of its viewing groups, none of them for its submitter alone.

    None is everybody.
    """
    if groups is None:
        return "Public"
    return f"Group ({', '.join(groups)})" if groups else "Personal"


def plain_time(moment: datetime | None) -> str | None:
    """Return a moment as `2026-01-01 09:00:00.123456+00:00`, LAVA's text of one."""
    return None if moment is None else str(moment.astimezone(UTC))


def json_time(moment: datetime | None) -> str | None:
    """Return a moment as `2026-01-01T09:00:00.123456Z`, how LAVA's REST writes it."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
