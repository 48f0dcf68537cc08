"""What happened in the lab, job by job: who submitted what, where it ran, how it ended. Pure.

It is told once, by one process; rows are made from it in any order. It stands in arrays, so that
processes forked later share its memory.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from enum import IntEnum

from labq.domain.errors import ErrorType
from labq.domain.states import DeviceHealth, JobState, Outcome
from labq.fill.cast import Cast
from labq.fill.profile import Profile

NOBODY = -1
NEVER = 0
STATES = tuple(JobState)
OUTCOMES: tuple[Outcome | None, ...] = (None, *Outcome)
ERRORS: tuple[ErrorType | None, ...] = (None, *ErrorType)
CODE_OF_STATE = {state: code for code, state in enumerate(STATES)}
CODE_OF_OUTCOME = {outcome: code for code, outcome in enumerate(OUTCOMES)}
CODE_OF_ERROR = {error: code for code, error in enumerate(ERRORS)}


class Pin(IntEnum):
    """What a job asks for beside its device type."""

    NOTHING = 0
    DEVICE = 1
    HEALTH_CHECK = 2


def _bytes() -> array[int]:
    return array("B")


def _shorts() -> array[int]:
    return array("H")


def _longs() -> array[int]:
    return array("l")


def _moments() -> array[int]:
    return array("q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A run of a job that failed before the one that counts."""

    number: int
    device: int
    reserved: int
    began: int
    ended: int
    phase: int
    is_host_fault: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWord:
    """How a device stands when the story ends. `job` is the one that holds it, NOBODY for none."""

    job: int = NOBODY
    health: DeviceHealth = DeviceHealth.GOOD
    reason: str = ""


@dataclass(slots=True)
class Story:
    """One value a job in each array, jobs in the order of their submission; moments are in us.

    `phase` is the last step that a job began (NOBODY: it had no run), `flaw` how likely each of its
    cases fails, in 255ths. `device` is the last run's; `earlier` has the runs before it. A moment
    that did not come is NEVER. `first_suite` and `first_case` are counted from 0, and the last
    item of each is how many there are; `last_run` counts from 1.
    """

    profile: Profile
    cast: Cast
    seed: int
    until: int
    submitted: array[int] = field(default_factory=_moments)
    kind: array[int] = field(default_factory=_shorts)
    recipe: array[int] = field(default_factory=_bytes)
    tree: array[int] = field(default_factory=_bytes)
    build: array[int] = field(default_factory=_bytes)
    submitter: array[int] = field(default_factory=_longs)
    audience: array[int] = field(default_factory=_longs)
    priority: array[int] = field(default_factory=_bytes)
    retries: array[int] = field(default_factory=_bytes)
    pin: array[int] = field(default_factory=_bytes)
    wanted: array[int] = field(default_factory=_longs)
    state: array[int] = field(default_factory=_bytes)
    outcome: array[int] = field(default_factory=_bytes)
    error: array[int] = field(default_factory=_bytes)
    is_host_fault: array[int] = field(default_factory=_bytes)
    phase: array[int] = field(default_factory=lambda: array("b"))
    flaw: array[int] = field(default_factory=_bytes)
    device: array[int] = field(default_factory=_longs)
    reserved: array[int] = field(default_factory=_moments)
    began: array[int] = field(default_factory=_moments)
    ended: array[int] = field(default_factory=_moments)
    earlier: dict[int, list[Earlier]] = field(default_factory=dict)
    last_run: array[int] = field(default_factory=_moments)
    first_suite: array[int] = field(default_factory=_moments)
    first_case: array[int] = field(default_factory=_moments)
    devices: list[LastWord] = field(default_factory=list)
    long_log: int = NOBODY

    def __len__(self) -> int:
        return len(self.submitted)

    def is_over(self, job: int) -> bool:
        """Tell whether a job has ended."""
        return STATES[self.state[job]] is JobState.FINISHED

    def has_run(self, job: int) -> bool:
        """Tell whether a job was ever given a device."""
        return self.device[job] != NOBODY

    def runs(self, job: int) -> int:
        """Return how many runs a job had."""
        return len(self.earlier.get(job, ())) + self.has_run(job)
