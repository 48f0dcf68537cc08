"""permissions/: the rights that groups have on devices and device types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from labq.domain.errors import InvalidInputError, NotFoundError, Problem
from labq.models.rights import DeviceRight, DeviceTypeRight
from labq.services import device_grants
from labq.services.device_grants import GroupRight
from labq.services.tables import page, people
from labq.services.tables.page import Table
from labq.services.tables.people import RightWords
from labq.services.transitions import By
from labq.web.endpoint import Call, Level
from labq.web.lava.rest import body, listing
from labq.web.lava.rest.route import Json, Reply, Route


@dataclass(frozen=True, slots=True)
class _Kind:
    """What rights are on: a device, or a device type."""

    field: str
    table: Table
    words: RightWords
    give: Callable[..., None]
    take: Callable[..., None]
    model: type[DeviceRight | DeviceTypeRight]


_DEVICES = _Kind(
    "device",
    people.DEVICE_RIGHTS,
    people.DEVICE_WORDS,
    device_grants.give_on_device,
    device_grants.take_from_device,
    DeviceRight,
)
_TYPES = _Kind(
    "devicetype",
    people.TYPE_RIGHTS,
    people.TYPE_WORDS,
    device_grants.give_on_type,
    device_grants.take_from_type,
    DeviceTypeRight,
)


def devices(call: Call) -> Json:
    """List the rights on devices."""
    return _list(call, _DEVICES)


def device(call: Call, right: int) -> Json:
    """Show one right on a device."""
    return _shown(_DEVICES, _find(call, _DEVICES, right))


def give_on_device(call: Call) -> Reply:
    """Give a group a right on a device."""
    return _give(call, _DEVICES)


def take_from_device(call: Call, right: int) -> Reply:
    """Take a right on a device back."""
    return _take(call, _DEVICES, right)


def types(call: Call) -> Json:
    """List the rights on device types."""
    return _list(call, _TYPES)


def device_type(call: Call, right: int) -> Json:
    """Show one right on a device type."""
    return _shown(_TYPES, _find(call, _TYPES, right))


def give_on_type(call: Call) -> Reply:
    """Give a group a right on a device type."""
    return _give(call, _TYPES)


def take_from_type(call: Call, right: int) -> Reply:
    """Take a right on a device type back."""
    return _take(call, _TYPES, right)


def _list(call: Call, kind: _Kind) -> Json:
    wanted = listing.asked()
    found = page.find(call.session, kind.table, wanted)
    return listing.page(found, wanted, partial(_shown, kind))


def _find(call: Call, kind: _Kind, right: int) -> Any:
    row = page.find_one(call.session, kind.table, kind.model.id == right)
    if row is None:
        raise NotFoundError(f"there is no right {right}")
    return row


def _give(call: Call, kind: _Kind) -> Reply:
    fields = body.read()
    of, group = body.required(fields, kind.field), body.required(fields, "group")
    word = body.required(fields, "permission")
    right = kind.words.find(word)
    if right is None:
        message = f"Object with codename={word} does not exist."
        raise InvalidInputError([Problem("permission", message)])
    kind.give(call.session, of, GroupRight(group, right), _by(call))
    return Reply({kind.field: of, "group": group, "permission": word}, 201)


def _take(call: Call, kind: _Kind, right: int) -> Reply:
    row = _find(call, kind, right)
    kind.take(call.session, row.of, GroupRight(row.group, row.grants), _by(call))
    return Reply(None, 204)


def _by(call: Call) -> By:
    return By(call.viewer.name, call.now, "changed over the API")


def _shown(kind: _Kind, row: Any) -> Json:
    return {
        "id": row.id,
        "group": row.group,
        "permission": kind.words.word(row.grants),
        kind.field: row.of,
    }


_ADMIN = Level.ADMIN
_OF_DEVICES, _OF_TYPES = "permissions/devices/", "permissions/devicetypes/"
ROUTES = (
    Route(method="GET", path=_OF_DEVICES, run=devices, level=_ADMIN),
    Route(method="POST", path=_OF_DEVICES, run=give_on_device, level=_ADMIN),
    Route(method="GET", path=f"{_OF_DEVICES}<id:right>/", run=device, level=_ADMIN),
    Route(method="DELETE", path=f"{_OF_DEVICES}<id:right>/", run=take_from_device, level=_ADMIN),
    Route(method="GET", path=_OF_TYPES, run=types, level=_ADMIN),
    Route(method="POST", path=_OF_TYPES, run=give_on_type, level=_ADMIN),
    Route(method="GET", path=f"{_OF_TYPES}<id:right>/", run=device_type, level=_ADMIN),
    Route(method="DELETE", path=f"{_OF_TYPES}<id:right>/", run=take_from_type, level=_ADMIN),
)
