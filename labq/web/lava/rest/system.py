"""system/ and the root: what this server is, who asks, where events are."""

from __future__ import annotations

from flask import request

from labq.services.master_config import master_config
from labq.web.endpoint import Call
from labq.web.lava import words
from labq.web.lava.rest.route import PREFIX, Json, Route

_LISTS = (
    "aliases",
    "devices",
    "devicetypes",
    "groups",
    "jobs",
    "permissions/devices",
    "permissions/devicetypes",
    "remote-artifact-tokens",
    "system",
    "tags",
    "users",
    "workers",
)


def root(_call: Call) -> Json:
    """List the addresses of lists."""
    return {name: f"{request.host_url.rstrip('/')}{PREFIX}{name}/" for name in _LISTS}


def index(_call: Call) -> Json:
    """Show nothing: what there is stands below."""
    return {}


def version(_call: Call) -> Json:
    """Show the version of LAVA that this API is that of."""
    return {"version": words.VERSION}


def whoami(call: Call) -> Json:
    """Show who asks, an empty name for a stranger."""
    return {"user": call.viewer.name}


def config(call: Call) -> Json:
    """Show where events are published."""
    return dict(master_config(call.settings))


ROUTES = (
    Route(method="GET", path="", run=root),
    Route(method="GET", path="system/", run=index),
    Route(method="GET", path="system/version/", run=version),
    Route(method="GET", path="system/whoami/", run=whoami),
    Route(method="GET", path="system/master_config/", run=config),
)
