"""scheduler.devices: what is known of devices, under new and old names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from xmlrpc.client import Fault

import yaml

from labq.domain.errors import InvalidInputError, LabqError
from labq.domain.states import DeviceHealth
from labq.services import (
    device_aliases,
    device_brief,
    device_dictionary,
    device_templates,
    devices,
)
from labq.services.device_brief import DeviceBrief
from labq.web.endpoint import Call
from labq.web.lava import words
from labq.web.lava.faults import bad_request, not_found
from labq.web.lava.method import Flag, Method, Text
from labq.web.lava.permissions import DEVICE, named

_NOT_FOUND = 404


def list_devices(
    call: Call,
    show_all: Flag | None = False,
    offline_info: Flag | None = False,
) -> list[dict[str, object]]:
    """Return devices by name, with `show_all` retired ones too."""
    found = device_brief.find_all(call.session, call.viewer, with_retired=bool(show_all))
    return [
        {
            "hostname": device.name,
            "type": device.device_type,
            "health": words.word(device.health),
            "state": words.word(device.state),
            "current_job": device.job,
            "pipeline": True,
        }
        for device in found
    ]


def show(call: Call, hostname: Text) -> dict[str, object]:
    """Return one device."""
    device = device_brief.find(call.session, call.viewer, hostname)
    return {
        "hostname": device.name,
        "device_type": device.device_type,
        "health": words.word(device.health),
        "state": words.word(device.state),
        "health_job": device.has_health_check,
        "description": device.description,
        "pipeline": True,
        "has_device_dict": device.has_file,
        "worker": device.host,
        "current_job": device.job,
        "tags": sorted(device.tags),
        "permissions": named(DEVICE, device_brief.grants_on(call.session, hostname)),
    }


def dictionary(
    call: Call, hostname: Text, render: Flag | None = False, context: Text | None = None
) -> bytes:
    """Return the dictionary of a device: as it was written, or rendered with a context (YAML)."""
    device = device_brief.find(call.session, call.viewer, hostname)
    if not device.has_file:
        raise Fault(_NOT_FOUND, f"Device '{hostname}' does not have a configuration")
    if not render:
        return device_dictionary.raw(call.session, hostname).encode()
    return _rendered(call, hostname, _context(context))


def config(call: Call, device_hostname: Text, context: Text | None = None) -> bytes:
    """Return the dictionary of a device rendered with a context (YAML)."""
    if not device_hostname:
        raise bad_request("Bad request: Device hostname was not specified.")
    return dictionary(call, device_hostname, render=True, context=context)


def status(call: Call, hostname: Text) -> dict[str, object]:
    """Return what a device is doing."""
    if not hostname:
        raise bad_request("Bad request: Hostname was not specified.")
    device = device_brief.find(call.session, call.viewer, hostname)
    return {
        "hostname": device.name,
        "status": words.device_status(device.state, device.health),
        "job": device.job,
        "offline_since": None,
        "offline_by": None,
        "is_pipeline": True,
    }


def all_devices(call: Call) -> list[list[object]]:
    """Return arrays of name, type, status, job and true for each device that is not retired."""
    return [
        [device.name, device.device_type, _status(device), device.job, True]
        for device in device_brief.find_all(call.session, call.viewer)
    ]


def all_types(call: Call) -> list[dict[str, object]]:
    """Return how many devices of each type are idle, busy and offline."""
    counts: dict[str, Counter[str]] = {}
    for device in device_brief.find_all(call.session, call.viewer):
        counts.setdefault(device.device_type, Counter())[_status(device)] += 1
    return [
        {
            "name": name,
            "idle": found["idle"],
            "busy": found["running"] + found["reserved"],
            "offline": found["offline"],
        }
        for name, found in sorted(counts.items())
    ]


def types_by_alias(call: Call, alias: Text) -> dict[str, list[str]]:
    """Return the device types that have a further name with this text in it."""
    seen = device_brief.count_by_type(call.session, call.viewer)
    found = {row.device_type for row in device_aliases.find_all(call.session) if alias in row.name}
    return {alias: sorted(found & seen.keys())}


def validate(call: Call, name: Text | None = None) -> bytes:
    """Return for each device whether its dictionary is valid, as YAML: of one, of a type, of all."""
    known = device_brief.find_all(call.session, call.viewer)
    found = [device for device in known if name in {None, "", device.device_type}]
    found = found or [device for device in known if device.name == name]
    if not found:
        raise not_found("Device or device type", name or "")
    verdicts = {device.name: _verdict(call, device) for device in found}
    return yaml.safe_dump(verdicts).encode()


def devices_of_type(call: Call, name: Text, health: Text | None = None) -> list[dict[str, object]]:
    """Return the devices of a type, those of one health or all."""
    device_brief.find_type(call.session, call.viewer, name)
    wanted = words.find_word(DeviceHealth, health) if health else None
    if health and wanted is None:
        raise bad_request(f"Invalid health '{health}'")
    found = device_brief.find_all(
        call.session, call.viewer, device_type=name, health=wanted, with_retired=True
    )
    return [
        {
            "hostname": device.name,
            "health": words.word(device.health),
            "state": words.word(device.state),
        }
        for device in found
    ]


def _status(device: DeviceBrief) -> str:
    return words.device_status(device.state, device.health)


def _verdict(call: Call, device: DeviceBrief) -> dict[str, str | None]:
    if not device.has_file:
        return {"Invalid": "Missing device dictionary"}
    try:
        devices.check(
            device_dictionary.raw(call.session, device.name),
            name=device.name,
            device_type=device.device_type,
            library=device_templates.library(call.session, call.settings.device_type_folders),
        )
    except LabqError as error:
        return {"Invalid": str(error)}
    return {"Valid": None}


def _rendered(call: Call, hostname: str, context: Mapping[str, object]) -> bytes:
    try:
        text = device_dictionary.rendered(
            call.session, hostname, context, templates=call.settings.device_type_folders
        )
    except InvalidInputError as error:
        raise bad_request(str(error)) from error
    return text.encode()


def _context(text: str | None) -> Mapping[str, object]:
    """Return the context in a YAML text; raises Fault for another text."""
    if not text:
        return {}
    try:
        context = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise bad_request(f"Job Context '{text}' is not valid: {error}") from error
    if context is None:
        return {}
    if not isinstance(context, dict):
        raise bad_request(f"Job Context '{text}' is not valid: not a mapping")
    return {str(key): value for key, value in context.items()}


METHODS = (
    Method(name="scheduler.devices.list", run=list_devices, returns="array"),
    Method(name="scheduler.devices.show", run=show, returns="struct"),
    Method(name="scheduler.devices.get_dictionary", run=dictionary, returns="base64"),
    Method(name="scheduler.device_types.devices", run=devices_of_type, returns="array"),
    Method(name="scheduler.get_device_config", run=config, returns="base64"),
    Method(name="scheduler.get_device_status", run=status, returns="struct"),
    Method(name="scheduler.all_devices", run=all_devices, returns="array"),
    Method(name="scheduler.all_device_types", run=all_types, returns="array"),
    Method(name="scheduler.get_device_type_by_alias", run=types_by_alias, returns="struct"),
    Method(name="scheduler.validate_pipeline_devices", run=validate, returns="base64"),
)
