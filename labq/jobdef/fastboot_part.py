"""What a dictionary says about fastboot: it stands in several places, at its top and below methods."""

from __future__ import annotations

from collections.abc import Mapping

from labq.jobdef.device import DeviceSpec

_TOP = (
    "adb_serial_number",
    "fastboot_auto_detection",
    "fastboot_options",
    "fastboot_serial_number",
    "fastboot_via_uboot",
    "flash_cmds_order",
)


def fastboot_part(device: DeviceSpec) -> Mapping[str, object]:
    """Return what deploy and boot by fastboot need to know of the device.

    Beside the dictionary's own keys: `sequence` of the boot, `u-boot` of the deploy methods, and
    whether the device `can_reset` and `has_console`.
    """
    power = device.power
    part: dict[str, object] = dict(device.deploy_methods.get("fastboot", {}))
    part |= {key: device.dictionary[key] for key in _TOP if key in device.dictionary}
    if "u-boot" in device.deploy_methods:
        part["u-boot"] = device.deploy_methods["u-boot"]
    part["sequence"] = _sequence(device)
    part["can_reset"] = power.kind == "emulator" or bool(power.reset or (power.on and power.off))
    part["has_console"] = bool(device.consoles)
    return part


def _sequence(device: DeviceSpec) -> object:
    node: object = device.dictionary
    for key in ("actions", "boot", "methods", "fastboot"):
        node = node.get(key) if isinstance(node, Mapping) else None
    return node if isinstance(node, list) else []
