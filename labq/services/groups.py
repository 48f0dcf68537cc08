"""Groups and who is in them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError, NotFoundError
from labq.models.audience import Audience
from labq.models.user import Group, Membership, User
from labq.services.paging import Page, decode_name, page_of


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow:
    """A group in a list."""

    id: int
    name: str
    member_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """A group with its members' names."""

    id: int
    name: str
    members: tuple[str, ...]


def create(session: Session, name: str) -> GroupView:
    """Make an empty group; raises ConflictError when the name is taken."""
    made = session.scalar(
        insert(Group).values(name=name).on_conflict_do_nothing().returning(Group.id)
    )
    if made is None:
        message = f"there is a group {name!r} already"
        raise ConflictError(message)
    return GroupView(id=made, name=name, members=())


def find_page(session: Session, *, after: str | None = None, limit: int = 100) -> Page[GroupRow]:
    """Return groups by name."""
    members = (
        select(func.count())
        .where(Membership.group_id == Group.id)
        .correlate(Group)
        .scalar_subquery()
    )
    query = select(Group.id, Group.name, members.label("member_count"))
    query = query.order_by(Group.name).limit(limit + 1)
    if after is not None:
        query = query.where(Group.name > decode_name(after))
    rows = [GroupRow(**row._asdict()) for row in session.execute(query)]
    return page_of(rows, limit, lambda group: group.name)


def find(session: Session, name: str) -> GroupView:
    """Return a group; raises NotFoundError."""
    group_id = _id_of(session, name)
    members = session.scalars(
        select(User.name)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.group_id == group_id)
        .order_by(User.name)
    )
    return GroupView(id=group_id, name=name, members=tuple(members))


def add(session: Session, group: str, user: str) -> GroupView:
    """Put a user into a group, where it may be already; raises NotFoundError."""
    values = {"group_id": _id_of(session, group), "user_id": _user_id_of(session, user)}
    session.execute(insert(Membership).values(values).on_conflict_do_nothing())
    return find(session, group)


def remove(session: Session, group: str, user: str) -> GroupView:
    """Take a user out of a group; raises NotFoundError for an unknown group or user."""
    group_id, user_id = _id_of(session, group), _user_id_of(session, user)
    session.execute(
        delete(Membership).where(Membership.group_id == group_id, Membership.user_id == user_id)
    )
    return find(session, group)


def delete_group(session: Session, name: str) -> None:
    """Delete a group and its memberships.

    Raises NotFoundError, and ConflictError for one that rights or jobs name: jobs would be hidden
    from those who may see them now.
    """
    group_id = _id_of(session, name)
    named = select(Audience.id).where(
        or_(Audience.groups.contains([group_id]), Audience.any_of.contains([group_id]))
    )
    if session.scalar(named.limit(1)) is not None:
        message = f"group {name!r} is named by jobs or rights: take its members out in place of it"
        raise ConflictError(message)
    session.execute(delete(Group).where(Group.id == group_id))


def _id_of(session: Session, name: str) -> int:
    found = session.scalar(select(Group.id).where(Group.name == name))
    if found is None:
        message = f"there is no group {name!r}"
        raise NotFoundError(message)
    return found


def _user_id_of(session: Session, name: str) -> int:
    found = session.scalar(select(User.id).where(User.name == name))
    if found is None:
        message = f"there is no user {name!r}"
        raise NotFoundError(message)
    return found
