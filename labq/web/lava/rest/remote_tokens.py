"""remote-artifact-tokens/: one's own secrets for other servers, used by their names."""

from __future__ import annotations

from labq.domain.errors import NotFoundError
from labq.services import remote_tokens
from labq.web.endpoint import Call, Level
from labq.web.lava.rest import body, listing
from labq.web.lava.rest.route import Json, Reply, Route


def index(call: Call) -> Json:
    """List one's own tokens."""
    wanted = listing.asked()
    found = remote_tokens.find_all(call.session, call.user_id)
    return listing.page_of([show(call, one.name) for one in found], wanted)


def show(call: Call, name: str) -> Json:
    """Show one of one's own tokens."""
    keys = call.settings.sealing_keys
    value = remote_tokens.find(call.session, call.user_id, name, keys=keys)
    if value is None:
        raise NotFoundError(f"you have no remote token {name!r}")
    return {"name": name, "token": value}


def create(call: Call) -> Reply:
    """Keep a token."""
    fields = body.read()
    name, value = body.required(fields, "name"), body.required(fields, "token")
    keys = call.settings.sealing_keys
    remote_tokens.add(call.session, call.user_id, name, value, keys=keys, now=call.now)
    return Reply({"name": name, "token": value}, 201)


def remove(call: Call, name: str) -> Reply:
    """Remove one of one's own tokens."""
    remote_tokens.remove(call.session, call.user_id, name)
    return Reply(None, 204)


_USER = Level.USER
ROUTES = (
    Route(method="GET", path="remote-artifact-tokens/", run=index, level=_USER),
    Route(method="POST", path="remote-artifact-tokens/", run=create, level=_USER),
    Route(method="GET", path="remote-artifact-tokens/<name>/", run=show, level=_USER),
    Route(method="DELETE", path="remote-artifact-tokens/<name>/", run=remove, level=_USER),
)
