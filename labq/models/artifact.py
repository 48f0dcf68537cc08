"""Files that runs leave beside log and results; their bytes are in `labq.artifact_files`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from labq.models.base import Base, BigInt


class Artifact(Base):
    """One file of a run, whole on the disk. `digest` is its SHA-256 in hexadecimal."""

    __tablename__ = "artifact"
    run_id: Mapped[BigInt] = mapped_column(
        ForeignKey("run.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(primary_key=True)
    bytes: Mapped[BigInt]
    digest: Mapped[str]
    stored_at: Mapped[datetime]
