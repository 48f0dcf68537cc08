"""What device types are also called, and templates that are stored rather than lying in a folder."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from labq.models.base import Base


class DeviceTypeAlias(Base):
    """A further name under which jobs may ask for a device type."""

    __tablename__ = "device_type_alias"
    name: Mapped[str] = mapped_column(primary_key=True)
    device_type: Mapped[str] = mapped_column(
        ForeignKey("device_type.name", ondelete="CASCADE"), index=True
    )


class DeviceTemplate(Base):
    """A template that device files and other templates extend as `<name>.jinja2`.

    It need not be that of a device type: types share templates.
    """

    __tablename__ = "device_template"
    name: Mapped[str] = mapped_column(primary_key=True)
    template: Mapped[str]
    changed_at: Mapped[datetime]
