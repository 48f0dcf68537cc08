"""Rights of groups on devices and device types: who may view, submit and change."""

from __future__ import annotations

from pydantic import Field

from labq.domain.errors import NotFoundError
from labq.domain.rights import Right
from labq.services import device_grants, device_rights
from labq.services.device_grants import GroupRight
from labq.services.device_rights import GrantRow
from labq.services.transitions import By
from labq.web.endpoint import Call, Endpoint, Level
from labq.web.parsing import Input, Text


class RightBody(Input):
    """A right for a group; each right includes those before it: view, submit, change."""

    group: Text
    right: Right
    reason: Text = Field(default="", max_length=1000)


def of_device(call: Call, device: str) -> tuple[GrantRow, ...]:
    """Return the rights on a device."""
    found = device_rights.require_device(call.session, call.viewer, device, Right.VIEW)
    return device_rights.find_rights(call.session, found)


def give_on_device(call: Call, device: str, body: RightBody) -> tuple[GrantRow, ...]:
    """Give a group a right on a device."""
    given = GroupRight(body.group, body.right)
    device_grants.give_on_device(call.session, device, given, _by(call, body.reason))
    return of_device(call, device)


def take_from_device(call: Call, device: str, group: str, right: str) -> None:
    """Take a right on a device back."""
    given = GroupRight(group, _right(right))
    device_grants.take_from_device(call.session, device, given, _by(call))


def of_type(call: Call, device_type: str) -> tuple[GrantRow, ...]:
    """Return the rights on a device type."""
    found = device_rights.require_type(call.session, call.viewer, device_type, Right.VIEW)
    return device_rights.find_rights(call.session, found)


def give_on_type(call: Call, device_type: str, body: RightBody) -> tuple[GrantRow, ...]:
    """Give a group a right on a device type."""
    given = GroupRight(body.group, body.right)
    device_grants.give_on_type(call.session, device_type, given, _by(call, body.reason))
    return of_type(call, device_type)


def take_from_type(call: Call, device_type: str, group: str, right: str) -> None:
    """Take a right on a device type back."""
    given = GroupRight(group, _right(right))
    device_grants.take_from_type(call.session, device_type, given, _by(call))


def _right(word: str) -> Right:
    try:
        return Right(word)
    except ValueError as error:
        raise NotFoundError(f"there is no right {word!r}: view, submit or change") from error


def _by(call: Call, reason: str = "") -> By:
    return By(call.viewer.name, call.now, reason)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/devices/<device>/rights",
        summary="List the rights that groups were given on a device",
        run=of_device,
        level=Level.USER,
        answer=tuple[GrantRow, ...],
    ),
    Endpoint(
        method="POST",
        path="/devices/<device>/rights",
        summary="Give a group a right on a device: who else had it as everybody has it no more",
        run=give_on_device,
        level=Level.ADMIN,
        body=RightBody,
        answer=tuple[GrantRow, ...],
        status=201,
    ),
    Endpoint(
        method="DELETE",
        path="/devices/<device>/rights/<path:group>/<right>",
        summary="Take a right on a device back",
        run=take_from_device,
        level=Level.ADMIN,
        status=204,
    ),
    Endpoint(
        method="GET",
        path="/device-types/<device_type>/rights",
        summary="List the rights that groups were given on a device type",
        run=of_type,
        level=Level.USER,
        answer=tuple[GrantRow, ...],
    ),
    Endpoint(
        method="POST",
        path="/device-types/<device_type>/rights",
        summary="Give a group a right on a device type, and so on its devices that have none",
        run=give_on_type,
        level=Level.ADMIN,
        body=RightBody,
        answer=tuple[GrantRow, ...],
        status=201,
    ),
    Endpoint(
        method="DELETE",
        path="/device-types/<device_type>/rights/<path:group>/<right>",
        summary="Take a right on a device type back",
        run=take_from_type,
        level=Level.ADMIN,
        status=204,
    ),
)
