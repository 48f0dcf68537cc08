"""Device types."""

from __future__ import annotations

from pydantic import Field

from labq.services import device_view, devices
from labq.services.device_view import DeviceTypeRow
from labq.services.paging import Page
from labq.web.endpoint import Call, Endpoint, Level
from labq.web.parsing import Input, PageQuery, Text


class TypeBody(Input):
    """A new device type; its template is found by its name."""

    name: Text
    description: Text = Field(default="", max_length=1000)


def index(call: Call, query: PageQuery) -> Page[DeviceTypeRow]:
    """List device types."""
    return device_view.find_types(call.session, after=query.after, limit=query.limit)


def show(call: Call, device_type: str) -> DeviceTypeRow:
    """Show a device type."""
    return device_view.find_type(call.session, device_type)


def create(call: Call, body: TypeBody) -> DeviceTypeRow:
    """Make a device type known."""
    devices.add_type(call.session, body.name, body.description)
    return device_view.find_type(call.session, body.name)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/device-types",
        summary="List device types with their devices and waiting jobs counted",
        run=index,
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
)
