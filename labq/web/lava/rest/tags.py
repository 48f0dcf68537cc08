"""tags/: what devices are labelled with."""

from __future__ import annotations

from typing import Any

from labq.domain.errors import InvalidInputError, NotFoundError, Problem
from labq.models.tag import Tag
from labq.services import tags
from labq.services.tables import lab, page
from labq.web.endpoint import Call, Level
from labq.web.lava.rest import body, listing
from labq.web.lava.rest.route import Json, Reply, Route


def index(call: Call) -> Json:
    """List tags."""
    wanted = listing.asked()
    return listing.page(page.find(call.session, lab.TAGS, wanted), wanted, _shown)


def show(call: Call, tag: int) -> Json:
    """Show one tag."""
    return _shown(_find(call, tag))


def create(call: Call) -> Reply:
    """Make a tag."""
    fields = body.read()
    name = body.required(fields, "name")
    made = tags.add(call.session, name, body.optional(fields, "description") or "")
    return Reply({"id": made.id, "name": made.name, "description": made.description}, 201)


def change(call: Call, tag: int) -> Json:
    """Change what is said of a tag; its name is what devices have, and stays."""
    row, fields = _find(call, tag), body.read()
    if body.optional(fields, "name") not in {None, row.name}:
        raise InvalidInputError([Problem("name", "A tag keeps its name: make another one.")])
    description = body.optional(fields, "description")
    if description is not None:
        tags.describe(call.session, row.name, description)
    return show(call, tag)


def remove(call: Call, tag: int) -> Reply:
    """Take a tag away."""
    tags.remove(call.session, _find(call, tag).name)
    return Reply(None, 204)


def _find(call: Call, tag: int) -> Any:
    row = page.find_one(call.session, lab.TAGS, Tag.id == tag)
    if row is None:
        raise NotFoundError(f"there is no tag {tag}")
    return row


def _shown(row: Any) -> Json:
    return {"id": row.id, "name": row.name, "description": row.description}


ROUTES = (
    Route(method="GET", path="tags/", run=index),
    Route(method="POST", path="tags/", run=create, level=Level.ADMIN),
    Route(method="GET", path="tags/<id:tag>/", run=show),
    Route(method="PUT", path="tags/<id:tag>/", run=change, level=Level.ADMIN),
    Route(method="PATCH", path="tags/<id:tag>/", run=change, level=Level.ADMIN),
    Route(method="DELETE", path="tags/<id:tag>/", run=remove, level=Level.ADMIN),
)
