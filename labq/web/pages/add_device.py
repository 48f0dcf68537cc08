"""`/add-device`: the form that adds a device."""

from __future__ import annotations

from urllib.parse import quote

from flask import Response
from pydantic import Field

from labq.domain.errors import ConflictError, InvalidInputError, NotFoundError
from labq.domain.states import DeviceHealth
from labq.services import devices
from labq.services.devices import NewDevice
from labq.web.endpoint import HTML, Call, Level, Page
from labq.web.parsing import Input, Text
from labq.web.rendering import render

EXAMPLE = """\
{% extends 'labq/base.jinja2' %}
{% set connection_command = 'telnet ser2net.lab 7001' %}
{% set power_on_command = 'pdu --port 4 on' %}
{% set power_off_command = 'pdu --port 4 off' %}
{% block actions %}
  deploy: {methods: {}}
  boot: {connections: {serial: null}, methods: {minimal: null}}
{% endblock %}
"""
_LONGEST_TEMPLATE = 256 * 1024


class NewDeviceForm(Input):
    """The fields of the form; `template` is the Jinja2 text of the device's dictionary."""

    name: Text = ""
    device_type: Text = ""
    host: Text = "local"
    tags: Text = ""
    description: Text = Field(default="", max_length=1000)
    health: DeviceHealth = DeviceHealth.MAINTENANCE
    template: Text = Field(default=EXAMPLE, max_length=_LONGEST_TEMPLATE)


def form(call: Call) -> str:
    """Show the form with an example."""
    return _page(call, NewDeviceForm())


def add(call: Call, form: NewDeviceForm) -> str | Response:
    """Add the device and show it, or say what is wrong."""
    template = form.template.replace("\r\n", "\n")
    values = {**form.model_dump(), "tags": tuple(form.tags.split()), "template": template}
    folders = call.settings.device_type_folders
    try:
        devices.add(call.session, NewDevice(**values), templates=folders)
    except (InvalidInputError, NotFoundError, ConflictError) as error:
        return Response(_page(call, form, str(error)), 400, content_type=f"{HTML}; charset=utf-8")
    return Response(status=303, headers={"Location": f"/devices/{quote(form.name)}"})


def _page(call: Call, form: NewDeviceForm, problem: str = "") -> str:
    return render(call, "add_device.html", form=form, problem=problem, healths=tuple(DeviceHealth))


PAGES = (
    Page(path="/add-device", run=form, level=Level.ADMIN),
    Page(path="/add-device", run=add, method="POST", level=Level.ADMIN, form=NewDeviceForm),
)
