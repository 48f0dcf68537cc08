"""aliases/: further names of device types."""

from __future__ import annotations

from typing import Any

from labq.domain.errors import NotFoundError
from labq.services import device_aliases
from labq.services.tables import lab
from labq.services.transitions import By
from labq.web.endpoint import Call, Level
from labq.web.lava.rest import body, listing
from labq.web.lava.rest.route import Json, Reply, Route


def index(call: Call) -> Json:
    """List aliases."""
    wanted = listing.asked()
    return listing.page(lab.find_aliases(call.session, call.viewer, wanted), wanted, _shown)


def show(call: Call, name: str) -> Json:
    """Show one alias."""
    row = lab.find_alias(call.session, call.viewer, name)
    if row is None:
        raise NotFoundError(f"there is no alias {name!r}")
    return _shown(row)


def create(call: Call) -> Reply:
    """Give a device type a further name."""
    fields = body.read()
    name, kind = body.required(fields, "name"), body.required(fields, "device_type")
    device_aliases.add(call.session, name, kind, _by(call))
    return Reply({"name": name, "device_type": kind}, 201)


def remove(call: Call, name: str) -> Reply:
    """Take a further name away."""
    device_aliases.remove(call.session, name, _by(call))
    return Reply(None, 204)


def _by(call: Call) -> By:
    return By(call.viewer.name, call.now, "changed over the API")


def _shown(row: Any) -> Json:
    return {"name": row.name, "device_type": row.device_type}


ROUTES = (
    Route(method="GET", path="aliases/", run=index),
    Route(method="POST", path="aliases/", run=create, level=Level.ADMIN),
    Route(method="GET", path="aliases/<name>/", run=show),
    Route(method="DELETE", path="aliases/<name>/", run=remove, level=Level.ADMIN),
)
