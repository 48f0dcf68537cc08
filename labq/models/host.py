"""Lab hosts as the server knows them from their reports."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from labq.domain.states import HostHealth, HostState
from labq.models.base import Base, BigInt, Json, named


class Host(Base):
    """A machine that boards hang on. `sequence` is the last durable event applied.

    `reported_at` is by the database's clock; `lost_after_seconds` null: as the server is set.
    `load` is what its last noted report says of the machine; `config` is what it is asked to do,
    `config_revision` counts the changes of that; `timeout_scales` are factors by kind of step.
    `mismatch` is why the host and this server do not understand each other, empty when they do.
    `job_limit` is how many of its devices may be busy at once, 0 for all. The last three are files
    that LAVA's clients keep for a worker: variables for its own programs, for tests, and its settings.
    """

    __tablename__ = "host"
    name: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(server_default="127.0.0.1")
    description: Mapped[str] = mapped_column(server_default="")
    state: Mapped[HostState] = mapped_column(named(HostState, name="state"))
    health: Mapped[HostHealth] = mapped_column(named(HostHealth, name="health"))
    sequence: Mapped[BigInt] = mapped_column(server_default="0")
    up_id: Mapped[str] = mapped_column(server_default="0-0")
    version: Mapped[str] = mapped_column(server_default="")
    reported_at: Mapped[datetime | None]
    lost_after_seconds: Mapped[int | None]
    slots: Mapped[Json] = mapped_column(JSONB, server_default="{}")
    load: Mapped[Json] = mapped_column(JSONB, server_default="{}")
    config: Mapped[Json] = mapped_column(JSONB, server_default="{}")
    config_revision: Mapped[int] = mapped_column(server_default="0")
    timeout_scales: Mapped[Json] = mapped_column(JSONB, server_default="{}")
    protocol: Mapped[int] = mapped_column(server_default="1")
    mismatch: Mapped[str] = mapped_column(server_default="")
    job_limit: Mapped[int] = mapped_column(server_default="0")
    environment: Mapped[str | None]
    device_environment: Mapped[str | None]
    dispatcher_config: Mapped[str | None]
