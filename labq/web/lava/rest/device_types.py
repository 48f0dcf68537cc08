"""devicetypes/: kinds of devices, how they are proven, and their templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response

from labq.domain.errors import InvalidInputError, NotFoundError, Problem
from labq.domain.health_checks import Denominator
from labq.domain.rights import Right
from labq.services import device_rights, device_templates, device_types, devices
from labq.services.device_types import TypeChange
from labq.services.tables import lab
from labq.services.transitions import By
from labq.web.endpoint import YAML, Call, Level
from labq.web.lava.rest import body, listing
from labq.web.lava.rest.route import Json, Reply, Route, text


def index(call: Call) -> Json:
    """List device types."""
    wanted = listing.asked()
    found = lab.find_types(call.session, call.viewer, wanted)
    return listing.page(found, wanted, _shown)


def show(call: Call, name: str) -> Json:
    """Show one device type."""
    row = lab.find_type(call.session, call.viewer, name)
    if row is None:
        raise NotFoundError(f"there is no device type {name!r}")
    return _shown(row)


def create(call: Call) -> Reply:
    """Make a device type known."""
    fields = body.read()
    name = body.required(fields, "name")
    devices.add_type(call.session, name, body.optional(fields, "description") or "")
    device_types.change(call.session, name, _wanted(fields), _by(call))
    return Reply(show(call, name), 201)


def change(call: Call, name: str) -> Json:
    """Change a device type."""
    _may_change(call, name)
    device_types.change(call.session, name, _wanted(body.read()), _by(call))
    return show(call, name)


def health_check(call: Call, name: str) -> Response:
    """Return the job definition that proves devices of the type."""
    show(call, name)
    try:
        found = device_types.find_health_check(call.session, name)
    except NotFoundError as error:
        raise _missing(name, "health check") from error
    return text(found, f"{YAML}; charset=utf-8", f"{name}_health_check.yaml")


def store_health_check(call: Call, name: str) -> Reply:
    """Change the job definition that proves devices of the type."""
    _may_change(call, name)
    given = body.required(body.read(), "config")
    device_types.change(call.session, name, TypeChange(health_check=given), _by(call))
    return Reply({"message": "health check updated"}, 204)


def template(call: Call, name: str) -> Response:
    """Return the template that device files of the type extend."""
    show(call, name)
    try:
        found = device_templates.find(call.session, name, folders=call.settings.device_type_folders)
    except NotFoundError as error:
        raise _missing(name, "template") from error
    return text(found, f"{YAML}; charset=utf-8", f"{name}.jinja2")


def store_template(call: Call, name: str) -> Reply:
    """Keep a template for the type."""
    _may_change(call, name)
    given = body.required(body.read(), "template")
    device_templates.store(call.session, name, given, now=call.now)
    return Reply({"message": "template updated"}, 204)


def _may_change(call: Call, name: str) -> None:
    device_rights.require_type(call.session, call.viewer, name, Right.CHANGE)


def _missing(name: str, what: str) -> InvalidInputError:
    """Return LAVA's error for a file that a type has not, which is one of the request."""
    return InvalidInputError([Problem("detail", f"Device-type '{name}' {what} was not found.")])


def _wanted(fields: Mapping[str, Any]) -> TypeChange:
    cores = body.listed(fields, "cores")
    return TypeChange(
        description=body.optional(fields, "description"),
        health_frequency=body.number(fields, "health_frequency", least=1),
        health_denominator=_denominator(body.optional(fields, "health_denominator")),
        health_disabled=body.flag(fields, "disable_health_check"),
        is_displayed=body.flag(fields, "display"),
        architecture=body.optional(fields, "architecture"),
        processor=body.optional(fields, "processor"),
        cpu_model=body.optional(fields, "cpu_model"),
        bits=body.number(fields, "bits", most=1024),
        cores=None if cores is None else tuple(str(core) for core in cores),
        core_count=body.number(fields, "core_count", most=10_000),
    )


def _denominator(given: str | None) -> Denominator | None:
    if given is None:
        return None
    try:
        return Denominator(given.lower())
    except ValueError as error:
        message = f'"{given}" is not a valid choice.'
        raise InvalidInputError([Problem("health_denominator", message)]) from error


def _by(call: Call) -> By:
    return By(call.viewer.name, call.now, "changed over the API")


def _shown(row: Any) -> Json:
    return {
        "name": row.name,
        "architecture": row.architecture,
        "processor": row.processor,
        "cpu_model": row.cpu_model,
        "aliases": list(row.aliases),
        "bits": row.bits,
        "cores": list(row.cores),
        "core_count": row.core_count,
        "description": row.description,
        "health_frequency": row.health_frequency,
        "disable_health_check": row.health_disabled,
        "health_denominator": row.health_denominator.value,
        "display": row.is_displayed,
    }


ROUTES = (
    Route(method="GET", path="devicetypes/", run=index),
    Route(method="POST", path="devicetypes/", run=create, level=Level.ADMIN),
    Route(method="GET", path="devicetypes/<name>/", run=show),
    Route(method="PUT", path="devicetypes/<name>/", run=change, level=Level.USER),
    Route(method="PATCH", path="devicetypes/<name>/", run=change, level=Level.USER),
    Route(method="GET", path="devicetypes/<name>/health_check/", run=health_check),
    Route(
        method="POST",
        path="devicetypes/<name>/health_check/",
        run=store_health_check,
        level=Level.USER,
    ),
    Route(method="GET", path="devicetypes/<name>/template/", run=template),
    Route(
        method="POST", path="devicetypes/<name>/template/", run=store_template, level=Level.ADMIN
    ),
)
