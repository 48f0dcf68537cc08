"""auth.users: accounts and the groups that they are in."""

from __future__ import annotations

from http import HTTPStatus
from xmlrpc.client import Fault

from labq.domain.errors import ConflictError, NotFoundError
from labq.services import groups, users
from labq.services.users import NewUser, UserChange, UserRow
from labq.web.endpoint import Call, Level
from labq.web.lava.faults import bad_request, not_found
from labq.web.lava.method import Flag, Method, Text
from labq.web.parsing import as_name

MOST_USERS = 10_000
"""Of one answer."""
NO_PERMISSIONS = (
    "labq has no permissions of this kind: give groups rights on devices and device types, or make "
    "the user a superuser"
)


def list_users(call: Call) -> list[dict[str, object]]:
    """Return all accounts by name."""
    return [
        {
            "username": user.name,
            "last_name": user.last_name,
            "first_name": user.first_name,
            "is_superuser": user.is_admin,
            "is_staff": user.is_staff,
            "is_active": user.is_active,
        }
        for user in users.find_page(call.session, limit=MOST_USERS).items
    ]


def show(call: Call, username: Text) -> dict[str, object]:
    """Return one account."""
    user = _find(call, username)
    return {
        "id": user.id,
        "username": user.name,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "groups": list(user.groups),
        "permissions": [],
        "is_active": user.is_active,
        "is_staff": user.is_staff,
        "is_superuser": user.is_admin,
        "date_joined": user.created_at,
        "last_login": None,
    }


def add(
    call: Call,
    username: Text,
    first_name: Text | None = None,
    last_name: Text | None = None,
    email: Text | None = None,
    is_active: Flag | None = True,
    is_staff: Flag | None = False,
    is_superuser: Flag | None = False,
    ldap: Flag | None = False,
) -> None:
    """Make an account without a password."""
    if ldap:
        raise bad_request("Bad request: labq has no LDAP")
    new = NewUser(
        name=as_name(username),
        email=email or "",
        is_admin=bool(is_superuser),
        is_active=is_active is not False,
        is_staff=bool(is_staff),
        first_name=first_name or "",
        last_name=last_name or "",
    )
    try:
        users.create(call.session, new, now=call.now)
    except ConflictError as error:
        raise bad_request("Bad request: user already exists?") from error


def update(
    call: Call,
    username: Text,
    first_name: Text | None = None,
    last_name: Text | None = None,
    email: Text | None = None,
    is_active: Flag | None = None,
    is_staff: Flag | None = None,
    is_superuser: Flag | None = None,
) -> None:
    """Change an account; nil leaves as it is."""
    _find(call, username)
    change = UserChange(
        first_name=first_name,
        last_name=last_name,
        email=email,
        is_active=is_active,
        is_staff=is_staff,
        is_admin=is_superuser,
    )
    users.change(call.session, username, change)


def delete(call: Call, username: Text) -> None:
    """Remove an account that never submitted a job."""
    _find(call, username)
    users.remove(call.session, username)


def add_to_group(call: Call, username: Text, group: Text) -> None:
    """Put a user into a group, which is made when it is new."""
    _find(call, username)
    try:
        groups.find(call.session, group)
    except NotFoundError:
        groups.create(call.session, as_name(group))
    groups.add(call.session, group, username)


def list_groups(call: Call, username: Text) -> list[str]:
    """Return the groups that a user is in."""
    return list(_find(call, username).groups)


def delete_from_group(call: Call, username: Text, group: Text) -> None:
    """Take a user out of a group."""
    _find(call, username)
    try:
        groups.remove(call.session, group, username)
    except NotFoundError as error:
        raise not_found("Group", group) from error


def add_permission(call: Call, username: Text, app: Text, model: Text, codename: Text) -> None:
    """Refuse: labq has rights on devices and device types alone."""
    _find(call, username)
    raise bad_request(f"{app}.{model}.{codename}: {NO_PERMISSIONS}")


def list_permissions(call: Call, username: Text) -> list[object]:
    """Return an empty array: labq has rights on devices and device types alone."""
    _find(call, username)
    return []


def delete_permission(call: Call, username: Text, app: Text, model: Text, codename: Text) -> None:
    """Refuse: a user has none."""
    _find(call, username)
    message = f"User '{username}' does not have {app}.{model}.{codename}"
    raise Fault(int(HTTPStatus.NOT_FOUND), message)


def _find(call: Call, username: str) -> UserRow:
    try:
        return users.find(call.session, username)
    except NotFoundError as error:
        raise not_found("User", username) from error


METHODS = (
    Method(name="auth.users.list", run=list_users, returns="array", level=Level.ADMIN),
    Method(name="auth.users.show", run=show, returns="struct", level=Level.ADMIN),
    Method(name="auth.users.add", run=add, returns="nil", level=Level.ADMIN, is_change=True),
    Method(name="auth.users.update", run=update, returns="nil", level=Level.ADMIN, is_change=True),
    Method(name="auth.users.delete", run=delete, returns="nil", level=Level.ADMIN, is_change=True),
    Method(
        name="auth.users.groups.add",
        run=add_to_group,
        returns="nil",
        level=Level.ADMIN,
        is_change=True,
    ),
    Method(name="auth.users.groups.list", run=list_groups, returns="array", level=Level.ADMIN),
    Method(
        name="auth.users.groups.delete",
        run=delete_from_group,
        returns="nil",
        level=Level.ADMIN,
        is_change=True,
    ),
    Method(name="auth.users.perms.add", run=add_permission, returns="nil", level=Level.ADMIN),
    Method(name="auth.users.perms.list", run=list_permissions, returns="array", level=Level.ADMIN),
    Method(name="auth.users.perms.delete", run=delete_permission, returns="nil", level=Level.ADMIN),
)
