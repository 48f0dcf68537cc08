"""Devices: list, show, add, change; the dictionary as a job would get it."""

from __future__ import annotations

import json
from typing import Any

from flask import Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from labq.domain.rights import Right
from labq.domain.states import DeviceHealth, DeviceState
from labq.services import device_dictionary, device_rights, device_view, devices, losses
from labq.services.device_view import DeviceFilter, DeviceRow, DeviceView
from labq.services.devices import DeviceChange, NewDevice
from labq.services.paging import Page
from labq.services.transitions import By
from labq.web.endpoint import YAML, Call, Endpoint, Level
from labq.web.parsing import Input, PageQuery, Text

_CONTEXT = "context."
_LONGEST_TEMPLATE = 256 * 1024


class DeviceQuery(PageQuery):
    """Filters of the list."""

    device_type: Text | None = None
    host: Text | None = None
    state: DeviceState | None = None
    health: DeviceHealth | None = None
    tag: Text | None = None


class DictionaryQuery(BaseModel):
    """Any number of `context.<name>=<value>`: the context of a job."""

    model_config = ConfigDict(frozen=True, extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _only_context(cls, values: Any) -> Any:
        for key, value in values.items():
            if not key.startswith(_CONTEXT) or not isinstance(value, str) or "\0" in key + value:
                message = f"{key!r}: only `context.<name>=<value>` is known here, each name once"
                raise ValueError(message)
        return values

    def context(self) -> dict[str, object]:
        """Return the context: JSON's numbers and words as such, all else as text."""
        given = self.model_extra or {}
        return {key.removeprefix(_CONTEXT): _scalar(value) for key, value in given.items()}


class DeviceBody(Input):
    """A new device; `template` is the Jinja2 text of its dictionary."""

    name: Text
    device_type: Text
    host: Text
    template: Text = Field(max_length=_LONGEST_TEMPLATE)
    tags: list[Text] = Field(default=[], max_length=100)
    description: Text = Field(default="", max_length=1000)
    health: DeviceHealth = DeviceHealth.UNKNOWN


class ChangeBody(Input):
    """What to change; what is left out stays. `reason` goes with a new health."""

    health: DeviceHealth | None = None
    reason: Text = Field(default="", max_length=1000)
    template: Text | None = Field(default=None, max_length=_LONGEST_TEMPLATE)
    host: Text | None = None
    when_idle: bool = Field(
        default=False, description="move to `host` once the present run is over"
    )
    tags: list[Text] | None = Field(default=None, max_length=100)
    description: Text | None = Field(default=None, max_length=1000)


class ReleaseBody(Input):
    """`force`: although nobody has torn down what ran on the device."""

    force: bool = False
    reason: Text = Field(default="", max_length=1000)


def index(call: Call, query: DeviceQuery) -> Page[DeviceRow]:
    """List devices."""
    wanted = DeviceFilter(**query.model_dump(exclude={"limit", "after"}))
    return device_view.find_page(
        call.session, call.viewer, wanted, after=query.after, limit=query.limit
    )


def show(call: Call, device: str) -> DeviceView:
    """Show a device."""
    return device_view.find(call.session, call.viewer, device, now=call.now)


def create(call: Call, body: DeviceBody) -> DeviceView:
    """Add a device."""
    new = NewDevice(**{**body.model_dump(), "tags": tuple(body.tags)})
    devices.add(call.session, new, templates=call.settings.device_type_folders)
    return device_view.find(call.session, call.viewer, body.name, now=call.now)


def change(call: Call, device: str, body: ChangeBody) -> DeviceView:
    """Change a device."""
    device_rights.require_device(call.session, call.viewer, device, Right.CHANGE)
    wanted = DeviceChange(
        template=body.template,
        host=body.host,
        when_idle=body.when_idle,
        tags=None if body.tags is None else tuple(body.tags),
        description=body.description,
    )
    devices.change(call.session, device, wanted, templates=call.settings.device_type_folders)
    if body.health is not None:
        by = By(call.viewer.name, call.now, body.reason)
        devices.set_health(call.session, device, body.health, by)
    return device_view.find(call.session, call.viewer, device, now=call.now)


def release(call: Call, device: str, body: ReleaseBody) -> DeviceView:
    """Free a device that waits for a host which is gone."""
    by = By(call.viewer.name, call.now, body.reason or "released by force")
    losses.release(call.session, device, by, force=body.force)
    return device_view.find(call.session, call.viewer, device, now=call.now)


def dictionary(call: Call, device: str, query: DictionaryQuery) -> Response:
    """Return the rendered dictionary."""
    device_rights.require_device(call.session, call.viewer, device, Right.VIEW)
    text = device_dictionary.rendered(
        call.session, device, query.context(), templates=call.settings.device_type_folders
    )
    return Response(text, content_type=f"{YAML}; charset=utf-8")


def _scalar(text: str) -> object:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, (dict, list, str)) else value


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/devices",
        summary="List devices",
        run=index,
        may_lag=True,
        query=DeviceQuery,
        answer=Page[DeviceRow],
    ),
    Endpoint(
        method="POST",
        path="/devices",
        summary="Add a device; its dictionary must render",
        run=create,
        level=Level.ADMIN,
        body=DeviceBody,
        answer=DeviceView,
        status=201,
    ),
    Endpoint(
        method="GET",
        path="/devices/<device>",
        summary="Show a device with its template, latest jobs and changes",
        run=show,
        answer=DeviceView,
    ),
    Endpoint(
        method="PATCH",
        path="/devices/<device>",
        summary="Change a device: health (also into and out of maintenance), template, host, tags",
        run=change,
        level=Level.USER,
        body=ChangeBody,
        answer=DeviceView,
    ),
    Endpoint(
        method="POST",
        path="/devices/<device>/release",
        summary="Free a device that waits for a host which is gone to tear its run down; only by "
        "`force`, for the board may still be powered and in use",
        run=release,
        level=Level.ADMIN,
        body=ReleaseBody,
        answer=DeviceView,
    ),
    Endpoint(
        method="GET",
        path="/devices/<device>/dictionary",
        summary="Return the dictionary rendered for a job with the context given as "
        "`context.<name>=<value>`",
        run=dictionary,
        level=Level.USER,
        query=DictionaryQuery,
        media=(YAML,),
    ),
)
