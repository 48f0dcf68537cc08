"""People and programs that use the server: users, groups, API tokens, web log-ins."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from labq.models.base import Base, Key


class User(Base):
    """An account; `password_hash` (argon2) is null when it has tokens only.

    `is_staff` is kept for LAVA's clients; it gives no right.
    """

    __tablename__ = "user"
    __table_args__ = (Index("ix_user_names", "id", postgresql_include=("name",)),)
    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str] = mapped_column(server_default="")
    password_hash: Mapped[str | None]
    is_admin: Mapped[bool] = mapped_column(server_default="false")
    is_active: Mapped[bool] = mapped_column(server_default="true")
    is_staff: Mapped[bool] = mapped_column(server_default="false")
    first_name: Mapped[str] = mapped_column(server_default="")
    last_name: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime]


class Group(Base):
    """A named set of users."""

    __tablename__ = "group"
    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)


class Membership(Base):
    """A user in a group."""

    __tablename__ = "membership"
    user_id: Mapped[int] = mapped_column(
        ForeignKey("user.id", ondelete="CASCADE"), primary_key=True
    )
    group_id: Mapped[int] = mapped_column(
        ForeignKey("group.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class Token(Base):
    """An API token, found by the SHA-256 of its secret.

    `sealed` is the secret under the server's key, so that a callback can send it; null for tokens
    that were made before there was this.
    """

    __tablename__ = "token"
    __table_args__ = (UniqueConstraint("user_id", "description"),)
    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    description: Mapped[str]
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]


class Login(Base):
    """A web session; the cookie holds its secret, the row the SHA-256 of it."""

    __tablename__ = "login"
    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
