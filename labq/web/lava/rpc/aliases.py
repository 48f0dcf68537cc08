"""scheduler.aliases: further names of device types."""

from __future__ import annotations

from labq.domain.errors import NotFoundError
from labq.services import device_aliases, device_brief
from labq.services.transitions import By
from labq.web.endpoint import Call, Level
from labq.web.lava.faults import not_found
from labq.web.lava.method import Method, Text

REASON = "xmlrpc api"


def list_aliases(call: Call) -> list[str]:
    """Return all further names."""
    seen = device_brief.count_by_type(call.session, call.viewer)
    return [row.name for row in device_aliases.find_all(call.session) if row.device_type in seen]


def show(call: Call, name: Text) -> dict[str, str]:
    """Return a further name with the device type that it stands for."""
    try:
        found = device_aliases.find(call.session, name)
        device_brief.find_type(call.session, call.viewer, found.device_type)
    except NotFoundError as error:
        raise not_found("Alias", name) from error
    return {"name": found.name, "device_type": found.device_type}


def add(call: Call, name: Text, device_type_name: Text) -> None:
    """Give a device type a further name."""
    device_brief.find_type(call.session, call.viewer, device_type_name)
    device_aliases.add(call.session, name, device_type_name, _by(call))


def delete(call: Call, name: Text) -> None:
    """Take a further name away."""
    try:
        device_aliases.remove(call.session, name, _by(call))
    except NotFoundError as error:
        raise not_found("Alias", name) from error


def _by(call: Call) -> By:
    return By(call.viewer.name, call.now, REASON)


METHODS = (
    Method(name="scheduler.aliases.list", run=list_aliases, returns="array"),
    Method(name="scheduler.aliases.show", run=show, returns="struct"),
    Method(name="scheduler.aliases.add", run=add, returns="nil", level=Level.ADMIN, is_change=True),
    Method(
        name="scheduler.aliases.delete",
        run=delete,
        returns="nil",
        level=Level.ADMIN,
        is_change=True,
    ),
)
