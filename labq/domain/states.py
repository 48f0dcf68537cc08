"""States and outcomes of jobs, runs, devices and hosts, as the server keeps them.

Values are stored by their lower-case text. The integers that LAVA's clients see stand beside them
(`LAVA_*`), so that no other module has to know them.
"""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """Where in its life a job is; only forward moves (see `labq.services.transitions`)."""

    SUBMITTED = "submitted"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    CANCELING = "canceling"
    FINISHED = "finished"


class Outcome(StrEnum):
    """How a finished job ended; a job that has not finished has none."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    CANCELED = "canceled"


class RunState(StrEnum):
    """One execution of a job: its resources are held from RESERVED until it is ENDED."""

    RESERVED = "reserved"
    RUNNING = "running"
    CANCELING = "canceling"
    ENDED = "ended"


class StepState(StrEnum):
    """One step of a run as the server knows it from the host's events."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class DeviceState(StrEnum):
    """What a device is doing."""

    IDLE = "idle"
    RESERVED = "reserved"
    RUNNING = "running"


class DeviceHealth(StrEnum):
    """Whether a device may be used. GOOD and UNKNOWN take jobs."""

    GOOD = "good"
    UNKNOWN = "unknown"
    LOOPING = "looping"
    BAD = "bad"
    MAINTENANCE = "maintenance"
    RETIRED = "retired"


class HostState(StrEnum):
    """Whether a host's reports arrive."""

    ONLINE = "online"
    OFFLINE = "offline"


class HostHealth(StrEnum):
    """Whether a host may be given work."""

    ACTIVE = "active"
    MAINTENANCE = "maintenance"
    RETIRED = "retired"


class DeliveryState(StrEnum):
    """A callback or mail that is due."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


SCHEDULABLE_HEALTH = (DeviceHealth.GOOD, DeviceHealth.UNKNOWN)

LAVA_JOB_STATE = {
    JobState.SUBMITTED: 0,
    JobState.SCHEDULED: 2,
    JobState.RUNNING: 3,
    JobState.CANCELING: 4,
    JobState.FINISHED: 5,
}
LAVA_JOB_HEALTH = {None: 0, Outcome.COMPLETE: 1, Outcome.INCOMPLETE: 2, Outcome.CANCELED: 3}
LAVA_DEVICE_HEALTH = {
    DeviceHealth.GOOD: 0,
    DeviceHealth.UNKNOWN: 1,
    DeviceHealth.LOOPING: 2,
    DeviceHealth.BAD: 3,
    DeviceHealth.MAINTENANCE: 4,
    DeviceHealth.RETIRED: 5,
}
