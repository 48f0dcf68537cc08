"""Device types."""

from __future__ import annotations

from flask import Response
from pydantic import Field

from labq.domain.health_checks import Denominator
from labq.domain.rights import Right
from labq.services import device_rights, device_types, device_view, devices
from labq.services.device_types import TypeChange
from labq.services.device_view import DeviceTypeRow
from labq.services.paging import Page
from labq.services.transitions import By
from labq.web.endpoint import YAML, Call, Endpoint, Level
from labq.web.parsing import Input, PageQuery, Text

LONGEST_CHECK = 256 * 1024


class TypeBody(Input):
    """A new device type; its template is found by its name."""

    name: Text
    description: Text = Field(default="", max_length=1000)


class ChangeBody(Input):
    """What to change; what is left out stays. An empty `health_check` takes it away."""

    description: Text | None = Field(default=None, max_length=1000)
    health_check: Text | None = Field(
        default=None, max_length=LONGEST_CHECK, description="a job definition, as text"
    )
    health_frequency: int | None = Field(default=None, ge=1, le=1_000_000)
    health_denominator: Denominator | None = None
    health_disabled: bool | None = None
    reason: Text = Field(default="", max_length=1000)


def index(call: Call, query: PageQuery) -> Page[DeviceTypeRow]:
    """List device types."""
    return device_view.find_types(call.session, call.viewer, after=query.after, limit=query.limit)


def show(call: Call, device_type: str) -> DeviceTypeRow:
    """Show a device type."""
    return device_view.find_type(call.session, call.viewer, device_type)


def create(call: Call, body: TypeBody) -> DeviceTypeRow:
    """Make a device type known."""
    devices.add_type(call.session, body.name, body.description)
    return device_view.find_type(call.session, call.viewer, body.name)


def change(call: Call, device_type: str, body: ChangeBody) -> DeviceTypeRow:
    """Change a device type."""
    device_rights.require_type(call.session, call.viewer, device_type, Right.CHANGE)
    by = By(call.viewer.name, call.now, body.reason)
    wanted = TypeChange(**body.model_dump(exclude={"reason"}))
    device_types.change(call.session, device_type, wanted, by)
    return device_view.find_type(call.session, call.viewer, device_type)


def health_check(call: Call, device_type: str) -> Response:
    """Return the definition of the health check."""
    device_rights.require_type(call.session, call.viewer, device_type, Right.VIEW)
    text = device_types.find_health_check(call.session, device_type)
    return Response(text, content_type=f"{YAML}; charset=utf-8")


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/device-types",
        summary="List device types with their devices and waiting jobs counted",
        run=index,
        may_lag=True,
        query=PageQuery,
        answer=Page[DeviceTypeRow],
    ),
    Endpoint(
        method="GET",
        path="/device-types/<device_type>",
        summary="Show a device type",
        run=show,
        answer=DeviceTypeRow,
    ),
    Endpoint(
        method="POST",
        path="/device-types",
        summary="Make a device type known",
        run=create,
        level=Level.ADMIN,
        body=TypeBody,
        answer=DeviceTypeRow,
        status=201,
    ),
    Endpoint(
        method="PATCH",
        path="/device-types/<device_type>",
        summary="Change a device type: the job that proves its devices, and how often",
        run=change,
        level=Level.USER,
        body=ChangeBody,
        answer=DeviceTypeRow,
    ),
    Endpoint(
        method="GET",
        path="/device-types/<device_type>/health-check",
        summary="Return the job definition that proves devices of the type",
        run=health_check,
        level=Level.USER,
        media=(YAML,),
    ),
)
