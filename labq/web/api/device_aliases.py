"""Further names of device types. They are shown with their types."""

from __future__ import annotations

from labq.services import device_aliases
from labq.services.device_aliases import AliasRow
from labq.services.transitions import By
from labq.web.endpoint import Call, Endpoint, Level


def add(call: Call, device_type: str, alias: str) -> AliasRow:
    """Give a device type a further name."""
    device_aliases.add(call.session, alias, device_type, By(call.viewer.name, call.now))
    return AliasRow(name=alias, device_type=device_type)


def remove(call: Call, alias: str) -> None:
    """Take a further name away."""
    device_aliases.remove(call.session, alias, By(call.viewer.name, call.now))


ENDPOINTS = (
    Endpoint(
        method="PUT",
        path="/device-types/<device_type>/aliases/<alias>",
        summary="Give a device type a further name, under which jobs may ask for it",
        run=add,
        level=Level.ADMIN,
        answer=AliasRow,
    ),
    Endpoint(
        method="DELETE",
        path="/device-type-aliases/<alias>",
        summary="Take a further name of a device type away",
        run=remove,
        level=Level.ADMIN,
        status=204,
    ),
)
