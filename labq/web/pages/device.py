"""`/devices/NAME`: one device: health and maintenance, dictionary, latest jobs and changes."""

from __future__ import annotations

from urllib.parse import quote

from flask import Response
from pydantic import Field

from labq.domain.errors import ConfigurationError, JobError, NotFoundError
from labq.domain.rights import Right
from labq.domain.states import DeviceHealth
from labq.services import (
    counts,
    device_dictionary,
    device_rights,
    device_view,
    devices,
    host_view,
    losses,
)
from labq.services.counts import Finished, Subject
from labq.services.database import unless_slow
from labq.services.devices import DeviceChange
from labq.services.transitions import By
from labq.web.endpoint import Call, Level, Page
from labq.web.parsing import Input, Text
from labq.web.rendering import render


class MoveForm(Input):
    """The new host; an unticked box sends nothing."""

    host: Text
    when_idle: bool = False


class HealthForm(Input):
    """The new health, and why."""

    health: DeviceHealth
    reason: Text = Field(default="", max_length=1000)


def device(call: Call, name: str) -> str:
    """Show the device; its dictionary to users only, for it may name what strangers need not know."""
    found = device_view.find(call.session, call.viewer, name, now=call.now)
    dictionary, problem = "", ""
    row = device_rights.require_device(call.session, call.viewer, name, Right.VIEW)
    if not call.viewer.is_anonymous:
        dictionary, problem = _dictionary(call, name)
    return render(
        call,
        "device.html",
        device=found.device,
        source=found.template,
        jobs=found.jobs,
        changes=found.changes,
        check=found.check,
        finished=unless_slow(lambda: _finished(call, name)),
        healths=tuple(DeviceHealth),
        hosts=host_view.find_names(call.session) if call.viewer.is_admin else (),
        dictionary=dictionary,
        problem=problem,
        rights=() if call.viewer.is_anonymous else device_rights.find_rights(call.session, row),
        may_change=device_rights.may_change(call.session, call.viewer, row),
    )


def set_health(call: Call, name: str, form: HealthForm) -> Response:
    """Change the device's health and show it."""
    device_rights.require_device(call.session, call.viewer, name, Right.CHANGE)
    by = By(call.viewer.name, call.now, form.reason)
    devices.set_health(call.session, name, form.health, by)
    return Response(status=303, headers={"Location": f"/devices/{quote(name)}"})


def release(call: Call, name: str) -> Response:
    """Free the device although its host has not torn its run down, and show it."""
    by = By(call.viewer.name, call.now, "released by force")
    losses.release(call.session, name, by, force=True)
    return Response(status=303, headers={"Location": f"/devices/{quote(name)}"})


def move(call: Call, name: str, form: MoveForm) -> Response:
    """Hang the device on another host and show it."""
    wanted = DeviceChange(host=form.host, when_idle=form.when_idle)
    devices.change(call.session, name, wanted, templates=call.settings.device_type_folders)
    return Response(status=303, headers={"Location": f"/devices/{quote(name)}"})


def _finished(call: Call, name: str) -> Finished:
    return call.attempt(lambda session: counts.find_finished(session, Subject.DEVICE, name))


def _dictionary(call: Call, name: str) -> tuple[str, str]:
    """Return the rendered dictionary, or why there is none."""
    templates = call.settings.device_type_folders
    try:
        return device_dictionary.rendered(call.session, name, {}, templates=templates), ""
    except (ConfigurationError, JobError, NotFoundError) as error:
        return "", str(error)


PAGES = (
    Page(path="/devices/<name>", run=device),
    Page(
        path="/devices/<name>/health",
        run=set_health,
        method="POST",
        level=Level.USER,
        form=HealthForm,
    ),
    Page(
        path="/devices/<name>/host",
        run=move,
        method="POST",
        level=Level.ADMIN,
        form=MoveForm,
    ),
    Page(path="/devices/<name>/release", run=release, method="POST", level=Level.ADMIN),
)
