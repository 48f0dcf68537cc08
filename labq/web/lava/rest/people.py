"""users/ and groups/: accounts and who is in which group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labq.domain.errors import InvalidInputError, NotFoundError, Problem
from labq.models.user import Group, User
from labq.services import groups as group_service
from labq.services import users as user_service
from labq.services.tables import page, people
from labq.services.users import NewUser, UserChange
from labq.web.endpoint import Call, Level
from labq.web.lava import words
from labq.web.lava.rest import body, listing
from labq.web.lava.rest.route import Json, Reply, Route

LEAST_PASSWORD = 8


def users(call: Call) -> Json:
    """List users."""
    wanted = listing.asked()
    return listing.page(page.find(call.session, people.USERS, wanted), wanted, _user)


def user(call: Call, user: int) -> Json:
    """Show one user."""
    return _user(_find_user(call, user))


def create_user(call: Call) -> Reply:
    """Make an account."""
    fields = body.read()
    name = body.required(fields, "username")
    new = NewUser(
        name=name,
        email=body.optional(fields, "email") or "",
        password=_password(fields),
        is_admin=bool(body.flag(fields, "is_superuser")),
        is_active=body.flag(fields, "is_active") is not False,
        is_staff=bool(body.flag(fields, "is_staff")),
        first_name=body.optional(fields, "first_name") or "",
        last_name=body.optional(fields, "last_name") or "",
    )
    made = user_service.create(call.session, new, now=call.now)
    _join(call, name, fields)
    return Reply(_user(_find_user(call, made.id)), 201)


def change_user(call: Call, user: int) -> Json:
    """Change an account."""
    fields, name = body.read(), _find_user(call, user).name
    wanted = UserChange(
        email=body.optional(fields, "email"),
        is_admin=body.flag(fields, "is_superuser"),
        is_active=body.flag(fields, "is_active"),
        is_staff=body.flag(fields, "is_staff"),
        first_name=body.optional(fields, "first_name"),
        last_name=body.optional(fields, "last_name"),
    )
    user_service.change(call.session, name, wanted)
    password = _password(fields)
    if password is not None:
        user_service.set_password(call.session, name, password)
    _join(call, name, fields)
    return _user(_find_user(call, user))


def remove_user(call: Call, user: int) -> Reply:
    """Delete an account that has no jobs."""
    user_service.remove(call.session, _find_user(call, user).name)
    return Reply(None, 204)


def groups(call: Call) -> Json:
    """List groups."""
    wanted = listing.asked()
    return listing.page(page.find(call.session, people.GROUPS, wanted), wanted, _group)


def group(call: Call, group: int) -> Json:
    """Show one group."""
    return _group(_find_group(call, group))


def create_group(call: Call) -> Reply:
    """Make a group."""
    made = group_service.create(call.session, body.required(body.read(), "name"))
    return Reply({"id": made.id, "name": made.name}, 201)


def remove_group(call: Call, group: int) -> Reply:
    """Delete a group that nothing names."""
    group_service.delete_group(call.session, _find_group(call, group).name)
    return Reply(None, 204)


def _find_user(call: Call, number: int) -> Any:
    row = page.find_one(call.session, people.USERS, User.id == number)
    if row is None:
        raise NotFoundError(f"there is no user {number}")
    return row


def _find_group(call: Call, number: int) -> Any:
    row = page.find_one(call.session, people.GROUPS, Group.id == number)
    if row is None:
        raise NotFoundError(f"there is no group {number}")
    return row


def _password(fields: Mapping[str, Any]) -> str | None:
    given = body.optional(fields, "password")
    if given is not None and len(given) < LEAST_PASSWORD:
        message = f"Ensure this field has at least {LEAST_PASSWORD} characters."
        raise InvalidInputError([Problem("password", message)])
    return given


def _join(call: Call, user: str, fields: Mapping[str, Any]) -> None:
    """Put a user into the groups that are named, and out of all others."""
    given = body.listed(fields, "groups")
    if given is None:
        return
    wanted = {str(name) for name in given}
    present = set(user_service.find(call.session, user).groups)
    for name in sorted(wanted - present):
        group_service.add(call.session, name, user)
    for name in sorted(present - wanted):
        group_service.remove(call.session, name, user)


def _user(row: Any) -> Json:
    return {
        "id": row.id,
        "username": row.name,
        "first_name": row.first_name,
        "last_name": row.last_name,
        "email": row.email,
        "is_active": row.is_active,
        "is_staff": row.is_staff,
        "is_superuser": row.is_admin,
        "groups": list(row.groups),
        "last_login": words.json_time(row.last_login),
        "date_joined": words.json_time(row.created_at),
    }


def _group(row: Any) -> Json:
    return {"id": row.id, "name": row.name}


_ADMIN = Level.ADMIN
ROUTES = (
    Route(method="GET", path="users/", run=users, level=_ADMIN),
    Route(method="POST", path="users/", run=create_user, level=_ADMIN),
    Route(method="GET", path="users/<id:user>/", run=user, level=_ADMIN),
    Route(method="PUT", path="users/<id:user>/", run=change_user, level=_ADMIN),
    Route(method="PATCH", path="users/<id:user>/", run=change_user, level=_ADMIN),
    Route(method="DELETE", path="users/<id:user>/", run=remove_user, level=_ADMIN),
    Route(method="GET", path="groups/", run=groups, level=Level.USER),
    Route(method="POST", path="groups/", run=create_group, level=_ADMIN),
    Route(method="GET", path="groups/<id:group>/", run=group, level=Level.USER),
    Route(method="DELETE", path="groups/<id:group>/", run=remove_group, level=_ADMIN),
)
