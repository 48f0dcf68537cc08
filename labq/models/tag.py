"""What devices are labelled with, and jobs ask for: the names in `device.tags` and `job.tags`."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from labq.models.base import Base, Key


class Tag(Base):
    """A name with the number that LAVA's clients know it by; it stays when no device has it."""

    __tablename__ = "tag"
    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str] = mapped_column(server_default="")
