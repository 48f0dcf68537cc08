"""Accounts."""

from __future__ import annotations

from pydantic import Field

from labq.domain.errors import ForbiddenError
from labq.services import users
from labq.services.paging import Page
from labq.services.users import NewUser, UserChange, UserRow
from labq.web.endpoint import Call, Endpoint, Level
from labq.web.parsing import Input, Name, PageQuery, Text


class UserBody(Input):
    """A new account; without a password it has tokens only."""

    name: Name
    email: Text = Field(default="", max_length=200)
    password: Text | None = None
    is_admin: bool = False


class ChangeBody(Input):
    """What to change; what is left out stays."""

    email: Text | None = Field(default=None, max_length=200)
    is_admin: bool | None = None
    is_active: bool | None = None


class PasswordBody(Input):
    """A new password."""

    password: Text


def index(call: Call, query: PageQuery) -> Page[UserRow]:
    """List accounts."""
    return users.find_page(call.session, after=query.after, limit=query.limit)


def create(call: Call, body: UserBody) -> UserRow:
    """Make an account."""
    return users.create(call.session, NewUser(**body.model_dump()), now=call.now)


def show(call: Call, user: str) -> UserRow:
    """Show an account."""
    _require_self(call, user)
    return users.find(call.session, user)


def change(call: Call, user: str, body: ChangeBody) -> UserRow:
    """Change an account."""
    return users.change(call.session, user, UserChange(**body.model_dump()))


def set_password(call: Call, user: str, body: PasswordBody) -> None:
    """Change a password."""
    _require_self(call, user)
    users.set_password(call.session, user, body.password)


def _require_self(call: Call, user: str) -> None:
    if not call.viewer.is_admin and call.viewer.name != user:
        raise ForbiddenError("only an admin may do this for somebody else")


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/users",
        summary="List accounts",
        run=index,
        level=Level.ADMIN,
        query=PageQuery,
        answer=Page[UserRow],
    ),
    Endpoint(
        method="POST",
        path="/users",
        summary="Make an account",
        run=create,
        level=Level.ADMIN,
        body=UserBody,
        answer=UserRow,
        status=201,
    ),
    Endpoint(
        method="GET",
        path="/users/<user>",
        summary="Show an account: one's own, or any for an admin",
        run=show,
        level=Level.USER,
        answer=UserRow,
    ),
    Endpoint(
        method="PATCH",
        path="/users/<user>",
        summary="Change an account, or make it inactive",
        run=change,
        level=Level.ADMIN,
        body=ChangeBody,
        answer=UserRow,
    ),
    Endpoint(
        method="PUT",
        path="/users/<user>/password",
        summary="Change a password: one's own, or any for an admin; ends the account's web sessions",
        run=set_password,
        level=Level.USER,
        body=PasswordBody,
        status=204,
    ),
)
