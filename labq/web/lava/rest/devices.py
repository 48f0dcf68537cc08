"""devices/: boards, their dictionaries, their health."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, request

from labq.domain.errors import InvalidInputError, NotFoundError, Problem
from labq.domain.rights import Right
from labq.domain.states import DeviceHealth
from labq.jobdef import source, templates
from labq.jobdef.templates import InvalidDeviceError
from labq.services import device_dictionary, device_rights, device_templates, devices, tags
from labq.services.board_facts import BoardFacts
from labq.services.devices import DeviceChange, NewDevice
from labq.services.tables import lab
from labq.services.tables.lookups import truth
from labq.services.transitions import By
from labq.web.endpoint import TEXT, YAML, Call, Level
from labq.web.lava import words
from labq.web.lava.rest import body, listing
from labq.web.lava.rest.errors import message_of
from labq.web.lava.rest.route import Json, Reply, Route, text

LONGEST_CONTEXT = 64 * 1024
_NAMELESS = "device"


def index(call: Call) -> Json:
    """List devices, retired ones only when all are asked for."""
    wanted = listing.asked(without=("all",))
    with_retired = bool(request.args.get("all"))
    found = lab.find_devices(call.session, call.viewer, wanted, with_retired=with_retired)
    return listing.page(found, wanted, _shown)


def show(call: Call, device: str) -> Json:
    """Show one device."""
    row = lab.find_device(call.session, call.viewer, device)
    if row is None:
        raise NotFoundError(f"there is no device {device!r}")
    return _shown(row)


def create(call: Call) -> Reply:
    """Add a device; without a dictionary, which is given later, it takes no jobs."""
    fields = body.read()
    name = body.required(fields, "hostname")
    new = NewDevice(
        name=name,
        device_type=body.required(fields, "device_type"),
        host=body.required(fields, "worker_host"),
        template="",
        tags=tuple(_tags(call, fields) or ()),
        description=body.optional(fields, "description") or "",
        health=_health(fields) or DeviceHealth.MAINTENANCE,
    )
    devices.add(call.session, new, templates=call.settings.device_type_folders)
    change = DeviceChange(facts=_facts(fields))
    devices.change(call.session, name, change, templates=call.settings.device_type_folders)
    return Reply(show(call, name), 201)


def change(call: Call, device: str) -> Json:
    """Change what is said of a device."""
    _may_change(call, device)
    fields = body.read()
    named = _tags(call, fields)
    wanted = DeviceChange(
        device_type=body.optional(fields, "device_type"),
        host=body.optional(fields, "worker_host"),
        tags=None if named is None else tuple(named),
        description=body.optional(fields, "description"),
        facts=_facts(fields),
    )
    devices.change(call.session, device, wanted, templates=call.settings.device_type_folders)
    health = _health(fields)
    if health is not None:
        devices.set_health(call.session, device, health, _by(call, "changed over the API"))
    return show(call, device)


def set_health(call: Call, device: str) -> Reply:
    """Change what a device is fit for."""
    _may_change(call, device)
    fields = body.read()
    health = _health(fields)
    if health is None:
        raise InvalidInputError([Problem("health", "This field is required.")])
    by = _by(call, body.optional(fields, "reason") or "")
    devices.set_health(call.session, device, health, by)
    return Reply({"message": "OK"}, 202)


def dictionary(call: Call, device: str) -> Response:
    """Return the dictionary: as it is stored, or as a job with a context would get it."""
    show(call, device)
    if not _is_asked("render"):
        raw = device_dictionary.raw(call.session, device)
        return text(raw, f"{TEXT}; charset=utf-8", f"{device}.jinja2")
    context = _context(request.args.get("context", ""))
    found = device_dictionary.rendered(
        call.session, device, context, templates=call.settings.device_type_folders
    )
    return text(found, f"{YAML}; charset=utf-8", f"{device}.yaml")


def store_dictionary(call: Call, device: str) -> Json:
    """Keep a dictionary."""
    _may_change(call, device)
    given = body.required(body.read(), "dictionary")
    folders = call.settings.device_type_folders
    device_dictionary.store(call.session, device, given, templates=folders)
    return {"message": "device config successfully updated"}


def validate(call: Call) -> Json:
    """Say whether a dictionary renders."""
    given = body.plain()
    if not given:
        raise InvalidInputError([Problem("device", "Device dictionary is required.")])
    library = device_templates.library(call.session, call.settings.device_type_folders)
    try:
        source.read(templates.render(given, name=_NAMELESS, variables={}, library=library))
    except (InvalidDeviceError, InvalidInputError) as error:
        return {"message": f"Device dictionary invalid: {message_of(error)}"}
    return {"message": "Device dictionary valid."}


def _may_change(call: Call, device: str) -> None:
    device_rights.require_device(call.session, call.viewer, device, Right.CHANGE)


def _shown(row: Any) -> Json:
    return {
        "hostname": row.name,
        "device_type": row.device_type,
        "device_version": row.device_version,
        "physical_owner": row.owner,
        "physical_group": row.owners,
        "description": row.description,
        "tags": list(row.tags),
        "state": words.word(row.state),
        "health": words.word(row.health),
        "last_health_report_job": row.last_check,
        "worker_host": row.host,
        "is_synced": False,
    }


def _tags(call: Call, fields: Mapping[str, Any]) -> list[str] | None:
    given = body.listed(fields, "tags")
    return None if given is None else tags.find_names(call.session, body.numbers(given, "tags"))


def _facts(fields: Mapping[str, Any]) -> BoardFacts:
    owner = body.number(fields, "physical_owner", most=2**62)
    group = body.number(fields, "physical_group", most=2**62)
    return BoardFacts(
        version=body.optional(fields, "device_version"),
        owner=owner,
        group=group,
    )


def _health(fields: Mapping[str, Any]) -> DeviceHealth | None:
    given = body.optional(fields, "health")
    if given is None:
        return None
    found = words.find_word(DeviceHealth, given)
    if found is None:
        raise InvalidInputError([Problem("health", f'"{given}" is not a valid choice.')])
    return found


def _is_asked(name: str) -> bool:
    try:
        return truth(request.args.get(name, "") or "false")
    except ValueError:
        return True


def _context(given: str) -> Mapping[str, object]:
    if not given:
        return {}
    try:
        found = source.read(given[:LONGEST_CONTEXT]).value
    except InvalidInputError:
        found = None
    if not isinstance(found, dict):
        message = f"Job Context '{given[:100]}' is not valid: it must be a YAML dictionary"
        raise InvalidInputError([Problem("detail", message)])
    return found


def _by(call: Call, reason: str) -> By:
    return By(call.viewer.name, call.now, reason)


ROUTES = (
    Route(method="GET", path="devices/", run=index),
    Route(method="POST", path="devices/", run=create, level=Level.ADMIN),
    Route(method="POST", path="devices/validate/", run=validate),
    Route(method="GET", path="devices/<device>/", run=show),
    Route(method="PUT", path="devices/<device>/", run=change, level=Level.USER),
    Route(method="PATCH", path="devices/<device>/", run=change, level=Level.USER),
    Route(method="POST", path="devices/<device>/set_health/", run=set_health, level=Level.USER),
    # It may hold passwords of the lab: strangers are shown none, unlike in LAVA.
    Route(method="GET", path="devices/<device>/dictionary/", run=dictionary, level=Level.USER),
    Route(
        method="POST", path="devices/<device>/dictionary/", run=store_dictionary, level=Level.USER
    ),
)
