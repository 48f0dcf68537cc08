"""What a rendered device dictionary must look like; keys that labq does not know pass."""

from __future__ import annotations

import re
from collections.abc import Iterator

from labq.jobdef.schema import (
    Finding,
    any_list,
    any_mapping,
    boolean,
    either,
    every,
    integer,
    list_of,
    mapping_of,
    one_of,
    record,
    text,
)
from labq.jobdef.source import Path
from labq.jobdef.submission import timeout

POWER_COMMANDS = ("hard_reset", "power_on", "power_off")
_COMMANDS = (
    *POWER_COMMANDS,
    "soft_reboot",
    "pre_power_command",
    "pre_os_command",
    "recovery_mode",
    "recovery_exit",
)

_string = text()
_null = one_of(None)
_optional_mapping = either("must be a mapping", any_mapping, _null)
_command = either("must be a command or a list of them", _string, list_of(_string))
_connection = record({"connect": text(1)}, {"tags": list_of(_string)}, extra=True)
_named_timeouts = mapping_of(_string, timeout)


def _primary(value: object, path: Path) -> Iterator[Finding]:
    connections = value.get("connections") if isinstance(value, dict) else None
    if not isinstance(connections, dict) or len(connections) == 1:
        return
    tagged = [entry.get("tags") or [] for entry in connections.values() if isinstance(entry, dict)]
    primaries = sum("primary" in tags for tags in tagged if isinstance(tags, list))
    if primaries != 1:
        yield (*path, "connections"), f"exactly one must have the tag 'primary', {primaries} have"


def _one_connection(value: object, path: Path) -> Iterator[Finding]:
    if isinstance(value, dict) and value.get("connect") and value.get("connections"):
        yield path, "only one of connect, connections may stand here"


def _regular_expression(value: object, path: Path) -> Iterator[Finding]:
    try:
        re.compile(value if isinstance(value, str) else "")
    except re.error as error:
        yield path, f"must be a regular expression: {error}"


_state = record({"command": text(1), "off": every(text(1), _regular_expression)}, {})

_commands = every(
    record(
        {},
        {
            **dict.fromkeys(_COMMANDS, _command),
            "connect": _string,
            "power_state": _state,
            "connections": mapping_of(_string, _connection),
            "users": mapping_of(_string, record({"do": _string}, {"undo": _string}, extra=True)),
        },
        extra=True,
    ),
    _primary,
    _one_connection,
)


def _optional_commands(value: object, path: Path) -> Iterator[Finding]:
    if value is not None:
        yield from _commands(value, path)


def _own_power(value: object, path: Path) -> Iterator[Finding]:
    """Find power commands of a device that is reached by ssh: it must stay up."""
    if not isinstance(value, dict) or not isinstance(value.get("commands"), dict):
        return
    node: object = value.get("actions")
    for key in ("deploy", "methods", "ssh", "host"):
        node = node.get(key) if isinstance(node, dict) else None
    for key in POWER_COMMANDS if node else ():
        if key in value["commands"]:
            yield (*path, "commands", key), "a device with an ssh host has no power commands"


_infos = list_of(any_mapping)
_four_digits = text(4, 4)
_action = record(
    {},
    {
        "methods": _optional_mapping,
        "connections": _optional_mapping,
        "parameters": _optional_mapping,
    },
    extra=True,
)
_delay = either("must be milliseconds", integer)

DEVICE = every(
    record(
        {},
        {
            "hostname": _string,
            "devicetype": _string,
            "commands": _optional_commands,
            "emulator": record(
                {"command": list_of(_string)}, {"environment": any_mapping}, extra=True
            ),
            "exclusive": list_of(text(1)),
            "host_address": _string,
            "console_needs_power": boolean,
            "constants": any_mapping,
            "character_delays": mapping_of(_string, _delay),
            "parameters": any_mapping,
            "actions": record({}, dict.fromkeys(("deploy", "boot", "test"), _action), extra=True),
            "timeouts": record(
                {}, {"actions": _named_timeouts, "connections": _named_timeouts}, extra=True
            ),
            "environment": any_mapping,
            "available_architectures": any_list,
            "flash_cmds_order": any_list,
            "fastboot_options": list_of(_string),
            "board_id": _string,
            "usb_vendor_id": _four_digits,
            "usb_product_id": _four_digits,
            **dict.fromkeys(("device_info", "static_info", "storage_info"), _infos),
        },
        extra=True,
    ),
    _own_power,
)
