"""scheduler.tags: what devices are labelled with and jobs ask for."""

from __future__ import annotations

from labq.domain.errors import ConflictError, NotFoundError
from labq.services import tags
from labq.web.endpoint import Call, Level
from labq.web.lava.faults import bad_request, not_found
from labq.web.lava.method import Method, Text


def list_tags(call: Call) -> list[dict[str, str]]:
    """Return tags by name, each with its description."""
    return [
        {"name": tag.name, "description": tag.description} for tag in tags.find_all(call.session)
    ]


def show(call: Call, name: Text) -> dict[str, object]:
    """Return one tag with the devices that have it."""
    try:
        tag = tags.find(call.session, name)
    except NotFoundError as error:
        raise not_found("Tag", name) from error
    devices = tags.find_devices(call.session, call.viewer, name)
    return {"name": tag.name, "description": tag.description, "devices": list(devices)}


def add(call: Call, name: Text, description: Text | None = None) -> None:
    """Make a tag known, or describe one that no device has and of which nothing was said."""
    try:
        tags.add(call.session, name, description or "")
    except ConflictError as error:
        is_used = tags.find_devices(call.session, call.viewer, name)
        if is_used or tags.find(call.session, name).description:
            raise bad_request("Bad request: tag already exists?") from error
        tags.describe(call.session, name, description or "")


def delete(call: Call, name: Text) -> None:
    """Remove a tag, from the devices that have it, too."""
    try:
        tags.remove(call.session, name)
    except NotFoundError as error:
        raise not_found("Tag", name) from error


METHODS = (
    Method(name="scheduler.tags.list", run=list_tags, returns="array"),
    Method(name="scheduler.tags.show", run=show, returns="struct"),
    Method(name="scheduler.tags.add", run=add, returns="nil", level=Level.ADMIN, is_change=True),
    Method(
        name="scheduler.tags.delete", run=delete, returns="nil", level=Level.ADMIN, is_change=True
    ),
)
