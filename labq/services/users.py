"""Accounts: made and changed by admins; a password is changed by its owner too."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError, NotFoundError
from labq.models.job import Job
from labq.models.user import Group, Login, Membership, User
from labq.services.credentials import hash_password
from labq.services.paging import Page, decode_name, page_of


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRow:
    """An account as lists and pages show it."""

    id: int
    name: str
    email: str
    is_admin: bool
    is_active: bool
    has_password: bool
    created_at: datetime
    groups: tuple[str, ...]
    first_name: str = ""
    last_name: str = ""
    is_staff: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """What an account is made of; without a password it has tokens only."""

    name: str
    email: str = ""
    password: str | None = None
    is_admin: bool = False
    is_active: bool = True
    is_staff: bool = False
    first_name: str = ""
    last_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChange:
    """What to change of an account; None leaves as it is."""

    email: str | None = None
    is_admin: bool | None = None
    is_active: bool | None = None
    is_staff: bool | None = None
    first_name: str | None = None
    last_name: str | None = None


def create(session: Session, new: NewUser, *, now: datetime) -> UserRow:
    """Make an account; raises ConflictError when the name is taken."""
    password_hash = None if new.password is None else hash_password(new.password)
    values = {
        "name": new.name,
        "email": new.email,
        "password_hash": password_hash,
        "is_admin": new.is_admin,
        "is_active": new.is_active,
        "is_staff": new.is_staff,
        "first_name": new.first_name,
        "last_name": new.last_name,
        "created_at": now,
    }
    made = session.scalar(insert(User).values(values).on_conflict_do_nothing().returning(User.id))
    if made is None:
        message = f"there is a user {new.name!r} already"
        raise ConflictError(message)
    return find(session, new.name)


def ensure(session: Session, name: str, *, now: datetime) -> int:
    """Return the id of an account of the server's own, made when it is new; nobody can log in."""
    values = {"name": name, "created_at": now}
    session.execute(insert(User).values(values).on_conflict_do_nothing())
    return session.scalars(select(User.id).where(User.name == name)).one()


def find(session: Session, name: str) -> UserRow:
    """Return an account; raises NotFoundError."""
    row = session.execute(_rows().where(User.name == name)).one_or_none()
    if row is None:
        message = f"there is no user {name!r}"
        raise NotFoundError(message)
    return _row(row)


def find_page(session: Session, *, after: str | None = None, limit: int = 100) -> Page[UserRow]:
    """Return accounts by name."""
    query = _rows().order_by(User.name).limit(limit + 1)
    if after is not None:
        query = query.where(User.name > decode_name(after))
    return page_of([_row(row) for row in session.execute(query)], limit, lambda user: user.name)


def change(session: Session, name: str, wanted: UserChange) -> UserRow:
    """Change an account; one that is made inactive is logged out. Raises NotFoundError."""
    user = find(session, name)
    given = {key: value for key, value in asdict(wanted).items() if value is not None}
    if given:
        session.execute(update(User).where(User.id == user.id).values(given))
    if wanted.is_active is False:
        _log_out(session, user.id)
    return find(session, name)


def remove(session: Session, name: str) -> None:
    """Delete an account with its tokens and memberships.

    Raises NotFoundError, and ConflictError for one that jobs were submitted by: their submitter is
    told for as long as they are kept.
    """
    user_id = find(session, name).id
    if session.scalar(select(Job.id).where(Job.submitter_id == user_id).limit(1)) is not None:
        message = f"user {name!r} has submitted jobs: deactivate the account in place of it"
        raise ConflictError(message)
    session.execute(delete(User).where(User.id == user_id))


def set_password(session: Session, name: str, password: str) -> None:
    """Change a password and end the account's web sessions; raises NotFoundError."""
    user_id = find(session, name).id
    values = {"password_hash": hash_password(password)}
    session.execute(update(User).where(User.id == user_id).values(values))
    _log_out(session, user_id)


def _log_out(session: Session, user_id: int) -> None:
    session.execute(delete(Login).where(Login.user_id == user_id))


def _rows() -> Select[*tuple[Any, ...]]:
    groups = (
        select(Group.name)
        .join(Membership, Membership.group_id == Group.id)
        .where(Membership.user_id == User.id)
        .order_by(Group.name)
        .correlate(User)
    )
    return select(
        User.id,
        User.name,
        User.email,
        User.is_admin,
        User.is_active,
        User.password_hash.is_not(None).label("has_password"),
        User.created_at,
        User.first_name,
        User.last_name,
        User.is_staff,
        func.array(groups.scalar_subquery()).label("groups"),
    )


def _row(row: Row[*tuple[Any, ...]]) -> UserRow:
    values = row._asdict()
    return UserRow(**{**values, "groups": tuple(values["groups"])})
