"""A token for an admin who has lost all of them, made on the server's own machine."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError
from labq.models.user import User
from labq.services import tokens, users
from labq.services.tokens import NewToken
from labq.services.users import NewUser

FIRST_ADMIN = "admin"


def make(session: Session, user: str | None, description: str | None, *, now: datetime) -> NewToken:
    """Make a token for an active admin: `user`, else the first there is, else a new `admin`.

    Raises ConflictError when `user` is no active admin.
    """
    text = description or f"made on the machine {now:%Y-%m-%d %H:%M:%S.%f}"
    return tokens.create(session, _admin(session, user, now), text, now=now)


def _admin(session: Session, name: str | None, now: datetime) -> int:
    query = select(User.id).where(User.is_admin, User.is_active).order_by(User.id).limit(1)
    if name is not None:
        query = query.where(User.name == name)
    found = session.scalar(query)
    if found is not None:
        return found
    if name is not None:
        message = f"{name!r} is no active admin"
        raise ConflictError(message)
    return users.create(session, NewUser(name=FIRST_ADMIN, is_admin=True), now=now).id
