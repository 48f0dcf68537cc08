"""What groups may do with devices and device types, and secrets that users left with the server."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from labq.domain.rights import Right
from labq.models.base import Base, Key, named


class DeviceRight(Base):
    """A right of a group on one device."""

    __tablename__ = "device_right"
    __table_args__ = (UniqueConstraint("device_id", "group_id", "grants"),)
    id: Mapped[Key]
    device_id: Mapped[int] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"))
    group_id: Mapped[int] = mapped_column(ForeignKey("group.id", ondelete="RESTRICT"), index=True)
    grants: Mapped[Right] = mapped_column(named(Right, name="grants"))


class DeviceTypeRight(Base):
    """A right of a group on a device type, and so on its devices that are not restricted themselves."""

    __tablename__ = "device_type_right"
    __table_args__ = (UniqueConstraint("device_type", "group_id", "grants"),)
    id: Mapped[Key]
    device_type: Mapped[str] = mapped_column(ForeignKey("device_type.name", ondelete="CASCADE"))
    group_id: Mapped[int] = mapped_column(ForeignKey("group.id", ondelete="RESTRICT"), index=True)
    grants: Mapped[Right] = mapped_column(named(Right, name="grants"))


class RemoteToken(Base):
    """A secret of a user for another server, by a name that job definitions use in its place.

    `sealed` is its value under the server's key.
    """

    __tablename__ = "remote_token"
    __table_args__ = (UniqueConstraint("user_id", "name"),)
    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    name: Mapped[str]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
