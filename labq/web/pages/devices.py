"""`/devices`: the list of devices with its filters."""

from __future__ import annotations

from urllib.parse import urlencode

from pydantic import field_validator

from labq.domain.states import SCHEDULABLE_HEALTH, DeviceHealth, DeviceState
from labq.services import device_view
from labq.services.device_view import DeviceFilter
from labq.web.endpoint import Call, Page
from labq.web.parsing import Input, Text
from labq.web.rendering import render


class DevicesQuery(Input):
    """The filter form's fields; blank ones ask nothing."""

    device_type: Text | None = None
    host: Text | None = None
    state: DeviceState | None = None
    health: DeviceHealth | None = None
    tag: Text | None = None
    after: Text | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _blank_is_none(cls, value: object) -> object:
        return None if value == "" else value


def devices(call: Call, query: DevicesQuery) -> str:
    """Show devices by name."""
    wanted = DeviceFilter(**query.model_dump(exclude={"after"}))
    page = device_view.find_page(call.session, call.viewer, wanted, after=query.after)
    return render(
        call,
        "devices.html",
        devices=page.items,
        query=query,
        states=tuple(DeviceState),
        healths=tuple(DeviceHealth),
        fit=SCHEDULABLE_HEALTH,
        first=_address(query, None) if query.after else None,
        next=_address(query, page.next) if page.next else None,
    )


def _address(query: DevicesQuery, after: str | None) -> str:
    kept = query.model_dump(mode="json", exclude_none=True, exclude={"after"})
    if after is not None:
        kept["after"] = after
    return f"/devices?{urlencode(kept)}"


PAGES = (Page(path="/devices", run=devices, query=DevicesQuery, may_lag=True),)
