"""How a host may reach the server: what it joined with, of which only hashes are kept."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from labq.models.base import Base


class Enrolment(Base):
    """A host's single-use code, and what it was exchanged for.

    `redis_hash` is the SHA-256 of the password of the host's Redis user in hexadecimal, the form in
    which Redis takes it: with it the user can be made again in a Redis that lost it.
    """

    __tablename__ = "enrolment"
    host: Mapped[str] = mapped_column(ForeignKey("host.name", ondelete="CASCADE"), primary_key=True)
    code_digest: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    code_expires_at: Mapped[datetime | None]
    redis_hash: Mapped[str | None]
    credential_digest: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime]
    joined_at: Mapped[datetime | None]
    joined_from: Mapped[str] = mapped_column(server_default="")
    ca_expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
