"""Templates that device files extend."""

from __future__ import annotations

from flask import Response
from pydantic import Field

from labq.services import device_templates
from labq.web.endpoint import TEXT, Call, Endpoint, Level
from labq.web.parsing import Input, Text


class TemplateBody(Input):
    """The Jinja2 text of a template."""

    template: Text = Field(max_length=256 * 1024)


def show(call: Call, template: str) -> Response:
    """Return a template, unless it is that of a device type which the caller may not know of."""
    folders = call.settings.device_type_folders
    text = device_templates.find_visible(call.session, call.viewer, template, folders=folders)
    return Response(text, content_type=f"{TEXT}; charset=utf-8")


def store(call: Call, template: str, body: TemplateBody) -> None:
    """Keep a template."""
    device_templates.store(call.session, template, body.template, now=call.now)


def remove(call: Call, template: str) -> None:
    """Keep a template no longer."""
    device_templates.remove(call.session, template)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/device-templates/<template>",
        summary="Return a template that device files extend: a stored one, else that of the folders",
        run=show,
        level=Level.USER,
        media=(TEXT,),
    ),
    Endpoint(
        method="PUT",
        path="/device-templates/<template>",
        summary="Keep a template on the server; it goes before one of the same name in a folder",
        run=store,
        level=Level.ADMIN,
        body=TemplateBody,
        status=204,
    ),
    Endpoint(
        method="DELETE",
        path="/device-templates/<template>",
        summary="Keep a template on the server no longer",
        run=remove,
        level=Level.ADMIN,
        status=204,
    ),
)
