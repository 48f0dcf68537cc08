"""What a rendered device dictionary must look like: as LAVA's check of devices has it, and labq's own keys.

Keys that neither knows pass, as with LAVA. What methods need of a device is not asked here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

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
"""What a device that stays up, as it is reached by ssh, must not have."""
_COMMANDS = (
    *POWER_COMMANDS,
    "soft_reboot",
    "pre_power_command",
    "pre_os_command",
    "recovery_mode",
    "recovery_exit",
)

_string = text()
_mappings = list_of(any_mapping)
_optional_mapping = either("must be a mapping", any_mapping, one_of(None))
_command = either("must be a command or a list of them", _string, list_of(_string))
_connection = record({"connect": _string}, {"tags": list_of(_string)}, extra=True)


def _regular_expression(value: object, path: Path) -> Iterator[Finding]:
    try:
        re.compile(value if isinstance(value, str) else "")
    except re.error as error:
        yield path, f"must be a regular expression: {error}"


_commands = record(
    {},
    {
        **dict.fromkeys(_COMMANDS, _command),
        "connect": _string,
        "connections": mapping_of(_string, _connection),
        "must_use_connection": boolean,
        "power_state": record({"command": text(1), "off": every(text(1), _regular_expression)}, {}),
        "users": mapping_of(_string, record({"do": _string}, {"undo": _string}, extra=True)),
    },
    extra=True,
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


_action = record(
    {}, dict.fromkeys(("methods", "connections", "parameters"), _optional_mapping), extra=True
)
_named_timeouts = mapping_of(_string, timeout)
_four_digits = text(4, 4)
_texts = list_of(_string)

DEVICE = every(
    record(
        {"actions": record({}, dict.fromkeys(("deploy", "boot", "test"), _action), extra=True)},
        {
            **dict.fromkeys(("hostname", "devicetype", "host_address"), _string),
            "commands": _optional_commands,
            "emulator": record({"command": _texts}, {"environment": any_mapping}, extra=True),
            "exclusive": list_of(text(1)),
            **dict.fromkeys(("console_needs_power", "connecting_starts"), boolean),
            **dict.fromkeys(("constants", "parameters", "environment"), any_mapping),
            "character_delays": mapping_of(_string, integer),
            "timeouts": record(
                {}, dict.fromkeys(("actions", "connections"), _named_timeouts), extra=True
            ),
            **dict.fromkeys(("device_info", "static_info", "storage_info"), _mappings),
            **dict.fromkeys(("available_architectures", "flash_cmds_order"), any_list),
            **dict.fromkeys(("adb_serial_number", "fastboot_serial_number"), _string),
            "fastboot_options": _texts,
            **dict.fromkeys(("fastboot_via_uboot", "fastboot_auto_detection"), boolean),
            **dict.fromkeys(("board_id", "board_qdl_id"), _string),
            **dict.fromkeys(("usb_vendor_id", "usb_product_id"), _four_digits),
            "usb_sleep": integer,
            **dict.fromkeys(("usb_filesystem_label", "usb_serial_driver"), _string),
        },
        extra=True,
    ),
    _own_power,
)


def connection_findings(dictionary: Mapping[str, object]) -> Iterator[Finding]:
    """Find consoles that no job could use; LAVA's check of devices lets them pass."""
    commands = dictionary.get("commands")
    if not isinstance(commands, Mapping):
        return
    path: Path = ("commands", "connections")
    connections = commands.get("connections")
    if not isinstance(connections, Mapping):
        if commands.get("connect") and commands.get("must_use_connection"):
            yield path, "must_use_connection: the console must stand here, not in connect"
        return
    for name, connection in connections.items():
        yield from text(1)(connection.get("connect", ""), (*path, name, "connect"))
    primary = [name for name, one in connections.items() if "primary" in one.get("tags", [])]
    if len(connections) > 1 and not commands.get("connect") and len(primary) != 1:
        yield path, f"exactly one must have the tag 'primary', {len(primary)} have"
