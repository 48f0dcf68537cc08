"""Counts of jobs, kept by the transitions so that no page has to count: see `services/rollups.py`."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from labq.models.base import Base, BigInt, Key

EVERY_AUDIENCE = 2**31 - 1
"""Stands for all audiences together, as admins see them."""
BLOCK = 4096
"""How many ids follow each other in a block."""


class CountDelta(Base):
    """What one move of a job adds to the counts; the conductor folds these rows into them.

    `waiting` and `active` go to `QueueLength`; the rest goes to `JobCount` and `DayCount` when
    `day` is set, the UTC day on which the job ended. `jobs` is 1 for a job that ended; `gone` counts
    jobs that were deleted since, which stay in the counts. Empty texts stand for none.

    `audience_id` and `block` are those of the job, for `AudienceCount` and `BlockCount`. A labq that
    does not know these leaves them null: then both are counted anew.
    """

    __tablename__ = "count_delta"
    id: Mapped[Key]
    device_type: Mapped[str]
    waiting: Mapped[int] = mapped_column(server_default="0")
    active: Mapped[int] = mapped_column(server_default="0")
    day: Mapped[date | None]
    host: Mapped[str] = mapped_column(server_default="")
    device: Mapped[str] = mapped_column(server_default="")
    outcome: Mapped[str] = mapped_column(server_default="")
    error_type: Mapped[str] = mapped_column(server_default="")
    jobs: Mapped[int] = mapped_column(server_default="0")
    run_ms: Mapped[BigInt] = mapped_column(server_default="0")
    wait_ms: Mapped[BigInt] = mapped_column(server_default="0")
    gone: Mapped[int] = mapped_column(server_default="0")
    gone_run_ms: Mapped[BigInt] = mapped_column(server_default="0")
    gone_wait_ms: Mapped[BigInt] = mapped_column(server_default="0")
    ended_at: Mapped[datetime | None]
    audience_id: Mapped[int | None]
    block: Mapped[int | None] = mapped_column(BigInteger)


class QueueLength(Base):
    """How many jobs of a device type wait, and how many have a device and are not finished."""

    __tablename__ = "queue_length"
    device_type: Mapped[str] = mapped_column(primary_key=True)
    waiting: Mapped[BigInt]
    active: Mapped[BigInt]


class JobCount(Base):
    """Finished jobs of one device, device type or host by outcome; `gone` of them were deleted."""

    __tablename__ = "job_count"
    subject: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    jobs: Mapped[BigInt]
    gone: Mapped[BigInt]
    last_ended_at: Mapped[datetime | None]


class DayCount(Base):
    """Jobs that ended on a UTC day; `run_ms` from start to end, `wait_ms` from submission to start.

    Of these, `gone` jobs with their times were deleted since.
    """

    __tablename__ = "day_count"
    day: Mapped[date] = mapped_column(primary_key=True)
    device_type: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    error_type: Mapped[str] = mapped_column(primary_key=True)
    jobs: Mapped[BigInt]
    run_ms: Mapped[BigInt]
    wait_ms: Mapped[BigInt]
    gone: Mapped[BigInt]
    gone_run_ms: Mapped[BigInt]
    gone_wait_ms: Mapped[BigInt]


class AudienceCount(Base):
    """Jobs that there are, by audience, device type and outcome; without one they are not finished.

    Each is counted for its audience and for EVERY_AUDIENCE.
    """

    __tablename__ = "audience_count"
    audience_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    device_type: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    jobs: Mapped[BigInt]


class BlockCount(Base):
    """The same by BLOCK of ids: where in a list of a million jobs the one at a given place stands."""

    __tablename__ = "block_count"
    audience_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    block: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    jobs: Mapped[BigInt]
