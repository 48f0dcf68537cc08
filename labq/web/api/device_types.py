"""Device types."""

from __future__ import annotations

from labq.services import device_view
from labq.services.device_view import DeviceTypeRow
from labq.services.paging import Page
from labq.web.endpoint import Call, Endpoint
from labq.web.parsing import PageQuery


def index(call: Call, query: PageQuery) -> Page[DeviceTypeRow]:
    """List device types."""
    return device_view.find_types(call.session, after=query.after, limit=query.limit)


def show(call: Call, device_type: str) -> DeviceTypeRow:
    """Show a device type."""
    return device_view.find_type(call.session, device_type)


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
)
