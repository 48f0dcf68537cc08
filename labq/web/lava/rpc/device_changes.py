"""scheduler.devices: devices added, changed and removed, their tags and the rights of groups on them."""

from __future__ import annotations

from collections.abc import Collection

from labq.domain.errors import NotFoundError
from labq.domain.rights import Right
from labq.domain.states import DeviceHealth
from labq.services import (
    device_brief,
    device_dictionary,
    device_grants,
    device_rights,
    devices,
    tags,
)
from labq.services.device_grants import GroupRight
from labq.services.devices import DeviceChange, NewDevice
from labq.services.transitions import By
from labq.web.endpoint import Call, Level
from labq.web.lava import words
from labq.web.lava.faults import bad_request, not_found
from labq.web.lava.method import Flag, Method, Text
from labq.web.lava.permissions import DEVICE, find, named

REASON = "xmlrpc api"


def add(
    call: Call,
    hostname: Text,
    type_name: Text,
    worker_hostname: Text,
    user_name: Text | None = None,
    group_name: Text | None = None,
    public: Flag | None = True,
    health: Text | None = None,
    description: Text | None = None,
) -> None:
    """Add a device, as yet without a dictionary, to a worker; its type must be known."""
    device_brief.find_type(call.session, call.viewer, type_name)
    new = NewDevice(
        name=hostname,
        device_type=type_name,
        host=worker_hostname,
        template="",
        description=description or "",
        health=_health(health) if health else DeviceHealth.UNKNOWN,
    )
    try:
        devices.add(call.session, new, templates=call.settings.device_type_folders)
    except NotFoundError as error:
        raise not_found("Worker", worker_hostname) from error


def update(
    call: Call,
    hostname: Text,
    worker_hostname: Text | None = None,
    user_name: Text | None = None,
    group_name: Text | None = None,
    public: Flag | None = True,
    health: Text | None = None,
    description: Text | None = None,
    device_type: Text | None = None,
    reason: Text | None = None,
) -> None:
    """Change a device; nil leaves as it is. Who has the right to change it may."""
    _require_change(call, hostname)
    change = DeviceChange(
        host=worker_hostname, when_idle=True, description=description, device_type=device_type
    )
    devices.change(call.session, hostname, change, templates=call.settings.device_type_folders)
    if health is not None:
        devices.set_health(call.session, hostname, _health(health), _by(call, reason))


def set_dictionary(call: Call, hostname: Text, dictionary: Text | None) -> bool:
    """Keep a device file; an empty one takes it away."""
    _require_change(call, hostname)
    device_dictionary.store(
        call.session, hostname, dictionary or "", templates=call.settings.device_type_folders
    )
    return True


def delete(call: Call, hostname: Text) -> None:
    """Remove a device that no job ever ran on."""
    device_brief.find(call.session, call.viewer, hostname)
    devices.remove(call.session, hostname, _by(call))


def add_tag(call: Call, hostname: Text, name: Text) -> None:
    """Give a device a tag, which is made when it is new."""
    _require_change(call, hostname)
    tags.ensure(call.session, [name])
    _set_tags(call, hostname, {*list_tags(call, hostname), name})


def list_tags(call: Call, hostname: Text) -> list[str]:
    """Return the tags of a device."""
    return sorted(device_brief.find(call.session, call.viewer, hostname).tags)


def delete_tag(call: Call, hostname: Text, name: Text) -> None:
    """Take a tag from a device."""
    _require_change(call, hostname)
    had = list_tags(call, hostname)
    if name not in had:
        raise not_found("Tag", name)
    _set_tags(call, hostname, {*had} - {name})


def add_right(call: Call, hostname: Text, group: Text, permission: Text) -> None:
    """Give a group a right: view_device, submit_to_device or change_device."""
    right = find(DEVICE, permission)
    device_grants.give_on_device(call.session, hostname, GroupRight(group, right), _by(call))


def delete_right(call: Call, hostname: Text, group: Text, permission: Text) -> None:
    """Take a right from a group."""
    right = find(DEVICE, permission)
    device_grants.take_from_device(call.session, hostname, GroupRight(group, right), _by(call))


def list_rights(call: Call, hostname: Text) -> list[dict[str, str]]:
    """Return the rights of groups on a device: arrays of {name, group}."""
    return named(DEVICE, device_brief.grants_on(call.session, hostname))


def into_maintenance(
    call: Call,
    hostname: Text,
    reason: Text,
    notify: Text | None = None,
) -> None:
    """Give a device no more jobs; what runs on it goes on."""
    if not reason:
        raise bad_request("Bad request: Reason was not specified.")
    _require_change(call, hostname)
    devices.set_health(call.session, hostname, DeviceHealth.MAINTENANCE, _by(call, reason))


def online(
    call: Call, hostname: Text, reason: Text, skip_health_check: Flag | None = False
) -> None:
    """Take a device into use again, after a health check unless that is to be skipped."""
    if not reason:
        raise bad_request("Bad request: Reason was not specified.")
    _require_change(call, hostname)
    health = DeviceHealth.GOOD if skip_health_check else DeviceHealth.UNKNOWN
    devices.set_health(call.session, hostname, health, _by(call, reason))


def import_dictionary(call: Call, hostname: Text, jinja_str: Text) -> str:
    """Keep a device file; return that it was done, in words."""
    set_dictionary(call, hostname, jinja_str)
    return f"Device dictionary updated for {hostname}"


def export_dictionary(call: Call, hostname: Text) -> bytes:
    """Return the device file, to those who may change the device."""
    _require_change(call, hostname)
    return device_dictionary.raw(call.session, hostname).encode()


def _require_change(call: Call, hostname: str) -> None:
    """Raise unless the viewer sees the device and may change it."""
    device_brief.find(call.session, call.viewer, hostname)
    device_rights.require_device(call.session, call.viewer, hostname, Right.CHANGE)


def _set_tags(call: Call, hostname: str, names: Collection[str]) -> None:
    change = DeviceChange(tags=tuple(sorted(names)))
    devices.change(call.session, hostname, change, templates=call.settings.device_type_folders)


def _health(word: str) -> DeviceHealth:
    found = words.find_word(DeviceHealth, word)
    if found is None:
        raise bad_request(f"Health '{word}' is invalid")
    return found


def _by(call: Call, reason: str | None = None) -> By:
    return By(call.viewer.name, call.now, reason or REASON)


METHODS = (
    Method(name="scheduler.devices.add", run=add, returns="nil", level=Level.ADMIN, is_change=True),
    Method(
        name="scheduler.devices.delete",
        run=delete,
        returns="nil",
        level=Level.ADMIN,
        is_change=True,
    ),
    Method(
        name="scheduler.devices.update", run=update, returns="nil", level=Level.USER, is_change=True
    ),
    Method(
        name="scheduler.devices.set_dictionary",
        run=set_dictionary,
        returns="boolean",
        level=Level.USER,
        is_change=True,
    ),
    Method(
        name="scheduler.devices.tags.add",
        run=add_tag,
        returns="nil",
        level=Level.USER,
        is_change=True,
    ),
    Method(name="scheduler.devices.tags.list", run=list_tags, returns="array"),
    Method(
        name="scheduler.devices.tags.delete",
        run=delete_tag,
        returns="nil",
        level=Level.USER,
        is_change=True,
    ),
    Method(
        name="scheduler.devices.perms_add",
        run=add_right,
        returns="nil",
        level=Level.ADMIN,
        is_change=True,
    ),
    Method(
        name="scheduler.devices.perms_delete",
        run=delete_right,
        returns="nil",
        level=Level.ADMIN,
        is_change=True,
    ),
    Method(
        name="scheduler.devices.perms_list", run=list_rights, returns="array", level=Level.ADMIN
    ),
    Method(
        name="scheduler.put_into_maintenance_mode",
        run=into_maintenance,
        returns="nil",
        level=Level.USER,
        is_change=True,
    ),
    Method(
        name="scheduler.put_into_online_mode",
        run=online,
        returns="nil",
        level=Level.USER,
        is_change=True,
    ),
    Method(
        name="scheduler.import_device_dictionary",
        run=import_dictionary,
        returns="string",
        level=Level.USER,
        is_change=True,
    ),
    Method(
        name="scheduler.export_device_dictionary",
        run=export_dictionary,
        returns="base64",
        level=Level.USER,
    ),
)
