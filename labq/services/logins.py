"""Web sessions: opened with name and password, looked up by the cookie's secret, closed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from labq.domain.errors import UnauthenticatedError
from labq.models.user import Login, User
from labq.services import tokens
from labq.services.credentials import digest, is_password, is_secret, new_secret
from labq.services.tokens import groups_of_user
from labq.services.visibility import ANONYMOUS, Viewer

LIFETIME = timedelta(days=14)
TOKEN_LIFETIME = timedelta(days=1)
"""Of a session opened with an API token: it may outlive the token's end, but not for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedLogin:
    """A new session: `secret` goes into the cookie."""

    user_id: int
    secret: str
    expires_at: datetime


def check_password(session: Session, name: str, password: str) -> int:
    """Return the id of the active user; raises UnauthenticatedError without saying which is wrong."""
    row = session.execute(
        select(User.id, User.password_hash).where(User.name == name, User.is_active)
    ).one_or_none()
    if not is_password(password, row.password_hash if row else None) or row is None:
        raise UnauthenticatedError("wrong name or password")
    return int(row.id)


def create(session: Session, name: str, password: str, *, now: datetime) -> OpenedLogin:
    """Open a session and forget the user's expired ones; raises UnauthenticatedError.

    One of the user's API tokens does as a password: the first admin has nothing else.
    """
    is_token = password.startswith(tokens.PREFIX)
    if is_token:
        user_id = _check_token(session, name, password, now)
    else:
        user_id = check_password(session, name, password)
    session.execute(delete(Login).where(Login.user_id == user_id, Login.expires_at <= now))
    secret, expires_at = new_secret(), now + (TOKEN_LIFETIME if is_token else LIFETIME)
    session.add(
        Login(user_id=user_id, digest=digest(secret), created_at=now, expires_at=expires_at)
    )
    session.flush()
    return OpenedLogin(user_id=user_id, secret=secret, expires_at=expires_at)


def authenticate(session: Session, secret: str, now: datetime) -> Viewer:
    """Return whose session the cookie names; an unknown or expired one makes an anonymous viewer."""
    if not is_secret(secret):
        return ANONYMOUS
    row = session.execute(
        select(User.id, User.name, User.is_admin, groups_of_user())
        .join(Login, Login.user_id == User.id)
        .where(Login.digest == digest(secret), Login.expires_at > now, User.is_active)
    ).one_or_none()
    if row is None:
        return ANONYMOUS
    user_id, name, is_admin, groups = row
    return Viewer(user_id=user_id, name=name, is_admin=is_admin, groups=tuple(groups))


def find_viewer(session: Session, user_id: int) -> Viewer:
    """Return an active user as viewer; raises UnauthenticatedError."""
    row = session.execute(
        select(User.name, User.is_admin, groups_of_user()).where(User.id == user_id, User.is_active)
    ).one_or_none()
    if row is None:
        raise UnauthenticatedError("the account is not active")
    name, is_admin, groups = row
    return Viewer(user_id=user_id, name=name, is_admin=is_admin, groups=tuple(groups))


def close(session: Session, secret: str) -> None:
    """End a session; an unknown one is ended already."""
    session.execute(delete(Login).where(Login.digest == digest(secret)))


def _check_token(session: Session, name: str, secret: str, now: datetime) -> int:
    viewer = tokens.authenticate(session, secret, now)
    if viewer.user_id is None or viewer.name != name:
        raise UnauthenticatedError("the token is another user's")
    return viewer.user_id
