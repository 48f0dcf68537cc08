"""scheduler.device_types: what they are, their templates and health checks, the rights of groups."""

from __future__ import annotations

from http import HTTPStatus
from xmlrpc.client import Fault

from labq.domain.errors import NotFoundError
from labq.domain.health_checks import Denominator
from labq.domain.rights import Right
from labq.services import (
    device_aliases,
    device_brief,
    device_grants,
    device_rights,
    device_templates,
    device_types,
    devices,
)
from labq.services.device_grants import GroupRight
from labq.services.device_types import TypeChange
from labq.services.transitions import By
from labq.web.endpoint import Call, Level
from labq.web.lava.faults import bad_request
from labq.web.lava.method import Flag, Int, Method, Text
from labq.web.lava.permissions import DEVICE_TYPE, find, named

REASON = "xmlrpc api"


def list_types(call: Call, show_all: Flag | None = False) -> list[dict[str, object]]:
    """Return device types with the number of their devices; with `show_all` mere templates too."""
    counts = device_brief.count_by_type(call.session, call.viewer)
    templates = device_templates.find_names(call.session, folders=call.settings.device_type_folders)
    known = [
        {"name": name, "devices": count, "installed": True, "template": name in templates}
        for name, count in counts.items()
    ]
    others = [
        {"name": name, "devices": 0, "installed": False, "template": True}
        for name in sorted(templates - counts.keys())
    ]
    return [*known, *others] if show_all else known


def show(call: Call, name: Text) -> dict[str, object]:
    """Return one device type."""
    kind = device_brief.find_type(call.session, call.viewer, name)
    return {
        "name": kind.name,
        "description": kind.description,
        "display": kind.is_displayed,
        "health_disabled": kind.health_disabled,
        "health_denominator": kind.health_denominator.value,
        "health_frequency": kind.health_frequency,
        "owners_only": False,
        "aliases": list(kind.aliases),
        "devices": list(kind.devices),
        "default_template": not device_templates.is_own(
            call.session, name, folders=call.settings.device_type_folders
        ),
        "permissions": named(DEVICE_TYPE, device_brief.grants_on_type(call.session, name)),
    }


def add(
    call: Call,
    name: Text,
    description: Text | None,
    display: Flag | None,
    owners_only: Flag | None,
    health_frequency: Int | None,
    health_denominator: Text | None,
) -> None:
    """Add a device type."""
    denominator = _denominator(health_denominator)
    devices.add_type(call.session, name, description or "")
    change = TypeChange(
        is_displayed=display,
        health_frequency=_frequency(health_frequency),
        health_denominator=denominator,
    )
    device_types.change(call.session, name, change, _by(call))


def update(
    call: Call,
    name: Text,
    description: Text | None = None,
    display: Flag | None = None,
    owners_only: Flag | None = None,
    health_frequency: Int | None = None,
    health_denominator: Text | None = None,
    health_disabled: Flag | None = None,
) -> None:
    """Change a device type; nil leaves as it is. Who has the right to change it may."""
    _require_change(call, name)
    change = TypeChange(
        description=description,
        is_displayed=display,
        health_frequency=_frequency(health_frequency),
        health_denominator=_denominator(health_denominator),
        health_disabled=health_disabled,
    )
    device_types.change(call.session, name, change, _by(call))


def get_template(call: Call, name: Text) -> bytes:
    """Return the template that device files of a type extend."""
    _see(call, name)
    try:
        text = device_templates.find(call.session, name, folders=call.settings.device_type_folders)
    except NotFoundError as error:
        raise _missing(name) from error
    return text.encode()


def set_template(call: Call, name: Text, config: Text | None) -> None:
    """Keep a template for a type in place of the one there is; an empty one takes it away."""
    _require_change(call, name)
    if config:
        device_templates.store(call.session, name, config, now=call.now)
    else:
        device_templates.remove(call.session, name)


def get_health_check(call: Call, name: Text) -> bytes:
    """Return the definition of the job that proves devices of a type, empty when it has none."""
    device_brief.find_type(call.session, call.viewer, name)
    try:
        return device_types.find_health_check(call.session, name).encode()
    except NotFoundError:
        return b""


def set_health_check(call: Call, name: Text, config: Text | None) -> None:
    """Keep the definition of the job that proves devices of a type; an empty one takes it away."""
    _require_change(call, name)
    device_types.change(call.session, name, TypeChange(health_check=config or ""), _by(call))


def add_alias(call: Call, name: Text, alias: Text) -> None:
    """Give a device type a further name."""
    device_brief.find_type(call.session, call.viewer, name)
    device_aliases.add(call.session, alias, name, _by(call))


def list_aliases(call: Call, name: Text) -> list[str]:
    """Return the further names of a device type."""
    return list(device_brief.find_type(call.session, call.viewer, name).aliases)


def delete_alias(call: Call, name: Text, alias: Text) -> None:
    """Take a further name from a device type."""
    if alias not in list_aliases(call, name):
        message = f"Alias '{alias}' of device-type '{name}' was not found."
        raise Fault(int(HTTPStatus.NOT_FOUND), message)
    device_aliases.remove(call.session, alias, _by(call))


def add_right(call: Call, name: Text, group: Text, permission: Text) -> None:
    """Give a group a right: view_devicetype, submit_to_devicetype or change_devicetype."""
    right = find(DEVICE_TYPE, permission)
    device_grants.give_on_type(call.session, name, GroupRight(group, right), _by(call))


def delete_right(call: Call, name: Text, group: Text, permission: Text) -> None:
    """Take a right from a group."""
    right = find(DEVICE_TYPE, permission)
    device_grants.take_from_type(call.session, name, GroupRight(group, right), _by(call))


def list_rights(call: Call, name: Text) -> list[dict[str, str]]:
    """Return the rights of groups on a device type: arrays of {name, group}."""
    return named(DEVICE_TYPE, device_brief.grants_on_type(call.session, name))


def _see(call: Call, name: str) -> None:
    """Raise for a type that is hidden; a name without a type may be that of a template."""
    if device_brief.is_known_type(call.session, name):
        device_brief.find_type(call.session, call.viewer, name)


def _require_change(call: Call, name: str) -> None:
    """Raise unless the viewer sees the type and may change it."""
    device_brief.find_type(call.session, call.viewer, name)
    device_rights.require_type(call.session, call.viewer, name, Right.CHANGE)


def _denominator(word: str | None) -> Denominator | None:
    if word is None:
        return None
    try:
        return Denominator(word)
    except ValueError as error:
        raise bad_request("Bad request: invalid health_denominator.") from error


def _frequency(number: int | None) -> int | None:
    if number is not None and not 0 < number < 2**31:
        raise bad_request("Bad request: invalid health_frequency.")
    return number


def _missing(name: str) -> Fault:
    return Fault(int(HTTPStatus.NOT_FOUND), f"Device-type '{name}' was not found.")


def _by(call: Call) -> By:
    return By(call.viewer.name, call.now, REASON)


METHODS = (
    Method(name="scheduler.device_types.list", run=list_types, returns="array"),
    Method(name="scheduler.device_types.show", run=show, returns="struct"),
    Method(
        name="scheduler.device_types.add", run=add, returns="nil", level=Level.ADMIN, is_change=True
    ),
    Method(
        name="scheduler.device_types.update",
        run=update,
        returns="nil",
        level=Level.USER,
        is_change=True,
    ),
    Method(name="scheduler.device_types.get_template", run=get_template, returns="base64"),
    Method(
        name="scheduler.device_types.set_template",
        run=set_template,
        returns="nil",
        level=Level.USER,
        is_change=True,
    ),
    Method(name="scheduler.device_types.get_health_check", run=get_health_check, returns="base64"),
    Method(
        name="scheduler.device_types.set_health_check",
        run=set_health_check,
        returns="nil",
        level=Level.USER,
        is_change=True,
    ),
    Method(
        name="scheduler.device_types.aliases.add",
        run=add_alias,
        returns="nil",
        level=Level.ADMIN,
        is_change=True,
    ),
    Method(name="scheduler.device_types.aliases.list", run=list_aliases, returns="array"),
    Method(
        name="scheduler.device_types.aliases.delete",
        run=delete_alias,
        returns="nil",
        level=Level.ADMIN,
        is_change=True,
    ),
    Method(
        name="scheduler.device_types.perms_add",
        run=add_right,
        returns="nil",
        level=Level.ADMIN,
        is_change=True,
    ),
    Method(
        name="scheduler.device_types.perms_delete",
        run=delete_right,
        returns="nil",
        level=Level.ADMIN,
        is_change=True,
    ),
    Method(
        name="scheduler.device_types.perms_list",
        run=list_rights,
        returns="array",
        level=Level.ADMIN,
    ),
)
