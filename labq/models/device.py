"""Device types, devices, and the resources that runs reserve."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from labq.domain.health_checks import CheckRule, Denominator
from labq.domain.states import DeviceHealth, DeviceState
from labq.models.base import Base, Key, named


class DeviceType(Base):
    """A kind of device; its template is found by this name.

    `health_check` is the definition of the job that proves its devices, null for none.

    `audience_id` says who may view it, and is that of public jobs that have no device yet. Each
    change of rights on it or its devices raises `rights_version`, and public jobs are moved to the
    audiences of their devices while `moves_due_at` is set.

    Its devices are proven by health checks while it `is_displayed`. What is said of its processor is
    for people.
    """

    __tablename__ = "device_type"
    __table_args__ = (CheckConstraint("health_frequency > 0", name="health_frequency"),)
    name: Mapped[str] = mapped_column(primary_key=True)
    description: Mapped[str] = mapped_column(server_default="")
    health_check: Mapped[str | None]
    health_frequency: Mapped[int] = mapped_column(server_default="24")
    health_denominator: Mapped[Denominator] = mapped_column(
        named(Denominator, name="health_denominator"), server_default="hours"
    )
    health_disabled: Mapped[bool] = mapped_column(server_default="false")
    audience_id: Mapped[int] = mapped_column(
        ForeignKey("audience.id", ondelete="RESTRICT"), server_default="0"
    )
    rights_version: Mapped[int] = mapped_column(server_default="0")
    moves_due_at: Mapped[datetime | None]
    is_displayed: Mapped[bool] = mapped_column(server_default="true")
    architecture: Mapped[str | None]
    processor: Mapped[str | None]
    cpu_model: Mapped[str | None]
    bits: Mapped[int | None] = mapped_column(SmallInteger)
    cores: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    core_count: Mapped[int | None] = mapped_column(SmallInteger)

    @property
    def check_rule(self) -> CheckRule:
        """Return how often its devices are checked."""
        return CheckRule(frequency=self.health_frequency, denominator=self.health_denominator)


class Device(Base):
    """A bookable board. `template` is the Jinja2 text of its dictionary.

    `next_host` is where it moves to once it is idle.

    `health_job_id` is its last health check, submitted at `health_checked_at`.

    `audience_id` says who may view it, and sees public jobs on it; `submitters` are the groups any of
    which may submit to it, null for everybody. Both follow from the rights on it and on its type.

    `device_version` is that of the board, the physical owners are those who have it at their place.
    """

    __tablename__ = "device"
    __table_args__ = (
        Index("ix_device_device_type_state", "device_type", "state", "health"),
        Index("ix_device_names", "id", postgresql_include=("name",)),
    )
    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)
    device_type: Mapped[str] = mapped_column(ForeignKey("device_type.name", ondelete="RESTRICT"))
    host: Mapped[str] = mapped_column(ForeignKey("host.name", ondelete="RESTRICT"), index=True)
    next_host: Mapped[str | None] = mapped_column(ForeignKey("host.name", ondelete="SET NULL"))
    template: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    exclusive: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    state: Mapped[DeviceState] = mapped_column(named(DeviceState, name="state"))
    health: Mapped[DeviceHealth] = mapped_column(named(DeviceHealth, name="health"))
    health_reason: Mapped[str] = mapped_column(server_default="")
    run_id: Mapped[int | None] = mapped_column(BigInteger)
    health_job_id: Mapped[int | None] = mapped_column(BigInteger)
    health_checked_at: Mapped[datetime | None]
    jobs_since_check: Mapped[int] = mapped_column(server_default="0")
    audience_id: Mapped[int] = mapped_column(
        ForeignKey("audience.id", ondelete="RESTRICT"), server_default="0"
    )
    submitters: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    device_version: Mapped[str | None]
    physical_owner_id: Mapped[int | None] = mapped_column(
        ForeignKey("user.id", ondelete="SET NULL")
    )
    physical_group_id: Mapped[int | None] = mapped_column(
        ForeignKey("group.id", ondelete="SET NULL")
    )


class Reservation(Base):
    """A resource held by a run; unique while it is active."""

    __tablename__ = "reservation"
    __table_args__ = (
        Index(
            "uq_reservation_active",
            "resource",
            unique=True,
            postgresql_where=text("released_at IS NULL"),
        ),
    )
    id: Mapped[Key]
    resource: Mapped[str]
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), index=True)
    reserved_at: Mapped[datetime]
    released_at: Mapped[datetime | None]
