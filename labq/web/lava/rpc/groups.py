"""auth.groups: named sets of users."""

from __future__ import annotations

from http import HTTPStatus
from xmlrpc.client import Fault

from labq.domain.errors import ConflictError, NotFoundError
from labq.services import groups
from labq.services.groups import GroupView
from labq.web.endpoint import Call, Level
from labq.web.lava.faults import bad_request, not_found
from labq.web.lava.method import Method, Text
from labq.web.parsing import as_name

MOST_GROUPS = 10_000
"""Of one answer."""
NO_PERMISSIONS = (
    "labq has no permissions of this kind: give groups rights on devices and device types, and make "
    "those who administer the lab superusers"
)


def list_groups(call: Call) -> list[str]:
    """Return the names of all groups."""
    return [group.name for group in groups.find_page(call.session, limit=MOST_GROUPS).items]


def show(call: Call, name: Text) -> dict[str, object]:
    """Return one group with its members."""
    group = _find(call, name)
    return {
        "id": group.id,
        "name": group.name,
        "permissions": [],
        "users": list(group.members),
    }


def add(call: Call, name: Text) -> None:
    """Make an empty group."""
    try:
        groups.create(call.session, as_name(name))
    except ConflictError as error:
        raise bad_request("Bad request: group already exists?") from error


def delete(call: Call, name: Text) -> None:
    """Remove a group that no job and no right names."""
    _find(call, name)
    groups.delete_group(call.session, name)


def add_permission(call: Call, name: Text, app: Text, model: Text, codename: Text) -> None:
    """Refuse: labq has rights on devices and device types alone."""
    _find(call, name)
    raise bad_request(f"{app}.{model}.{codename}: {NO_PERMISSIONS}")


def list_permissions(call: Call, name: Text) -> list[object]:
    """Return an empty array: labq has rights on devices and device types alone."""
    _find(call, name)
    return []


def delete_permission(call: Call, name: Text, app: Text, model: Text, codename: Text) -> None:
    """Refuse: a group has none."""
    _find(call, name)
    message = f"Group '{name}' does not have {app}.{model}.{codename}"
    raise Fault(int(HTTPStatus.NOT_FOUND), message)


def _find(call: Call, name: str) -> GroupView:
    try:
        return groups.find(call.session, name)
    except NotFoundError as error:
        raise not_found("Group", name) from error


METHODS = (
    Method(name="auth.groups.list", run=list_groups, returns="array", level=Level.ADMIN),
    Method(name="auth.groups.show", run=show, returns="struct", level=Level.ADMIN),
    Method(name="auth.groups.add", run=add, returns="nil", level=Level.ADMIN, is_change=True),
    Method(name="auth.groups.delete", run=delete, returns="nil", level=Level.ADMIN, is_change=True),
    Method(name="auth.groups.perms.add", run=add_permission, returns="nil", level=Level.ADMIN),
    Method(name="auth.groups.perms.list", run=list_permissions, returns="array", level=Level.ADMIN),
    Method(
        name="auth.groups.perms.delete", run=delete_permission, returns="nil", level=Level.ADMIN
    ),
)
