"""Command sets of boot loaders with their placeholders filled in, and as a script."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from labq.actions.steps.dictionary import lookup
from labq.actions.steps.images import images
from labq.actions.steps.tftp_folder import tftp_folder
from labq.domain.errors import JobError
from labq.hw.session import Session

_PLACE = re.compile(r"(?<!\$)\{([A-Z][A-Z0-9_]*)\}")
_COMMANDS = {"image": "booti", "uimage": "bootm", "zimage": "bootz"}


def substituted(session: Session, commands: Sequence[str]) -> list[str]:
    """Return the lines with placeholders filled in; a line that needs a missing value is dropped."""
    values = _values(session)
    return [
        _PLACE.sub(lambda place: values[place.group(1)], line)
        for line in commands
        if all(name in values for name in _PLACE.findall(line))
    ]


def boot_script(session: Session, lines: Sequence[str]) -> list[str]:
    """Put the lines into a script that the loader fetches by TFTP; return what starts it."""
    served = images(session)
    folder = next(iter(served.values())).parent.parent if served else None
    if folder is None or not folder.is_relative_to(tftp_folder(session.plan.device)):
        raise JobError("use_bootscript needs a deploy to tftp before it")
    path = folder / "script.ipxe"
    path.write_text("\n".join(["#!ipxe", "", *lines, ""]))
    address = str(session.plan.dictionary.get("host_address") or "")
    return ["dhcp net0", f"chain tftp://{address}/{_relative(session, path)}"]


def _values(session: Session) -> dict[str, str]:
    address = str(session.plan.dictionary.get("host_address") or "")
    served = {label: _relative(session, path) for label, path in images(session).items()}
    values = dict.fromkeys(
        ("SERVER_IP", "NFS_SERVER_IP", "LAVA_DISPATCHER_IP", "NBDSERVERIP"), address
    )
    values["LAVA_JOB_ID"] = str(session.plan.job)
    values |= {label.upper(): path for label, path in served.items()}
    if "ramdisk" in served:
        values["INITRD"] = served["ramdisk"]
    mac = lookup(session.step.device, "parameters", "lava_mac")
    if mac:
        values["LAVA_MAC"] = str(mac)
    return values | _addresses(session, served)


def _relative(session: Session, path: Path) -> str:
    root = tftp_folder(session.plan.device)
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _addresses(session: Session, served: Mapping[str, str]) -> dict[str, str]:
    command, table = _boot_command(session)
    values = {
        f"{part.upper()}_ADDR": str(address)
        for part, address in table.items()
        if part in {"kernel", "dtb", "dtbo", "tee", "ramdisk"} and address
    }
    if "kernel" not in served or "KERNEL_ADDR" not in values:
        return values
    raw = lookup(session.plan.dictionary, "actions", "deploy", "parameters", "add_header")
    ramdisk = values.get("RAMDISK_ADDR", "-") if "ramdisk" in served else "-"
    if ramdisk != "-" and raw != "u-boot":
        ramdisk += ":${initrd_size}"
    # Without a device tree of the job the board's own is used, where U-Boot knows its address.
    dtb = values.get("DTB_ADDR", "") if "dtb" in served else "${fdt_addr}"
    values["BOOTX"] = f"{command} {values['KERNEL_ADDR']} {ramdisk} {dtb}".strip()
    if "ramdisk" not in served:
        values["RAMDISK_ADDR"] = "-"
    return values


def _boot_command(session: Session) -> tuple[str, Mapping[str, object]]:
    """Return booti, bootm or bootz by the kernel's type, and the addresses for it."""
    parameters = session.plan.dictionary.get("parameters")
    tables = parameters if isinstance(parameters, Mapping) else {}
    kind = _kernel_type(session)
    for name, command in _COMMANDS.items():
        table = tables.get(command) or tables.get(name)
        if isinstance(table, Mapping) and kind in ("", name):
            return command, table
    return _COMMANDS.get(kind, "booti"), {}


def _kernel_type(session: Session) -> str:
    for step in reversed(session.plan.steps[: session.step.index]):
        kernel = step.parameters.get("kernel")
        if step.namespace == session.step.namespace and isinstance(kernel, Mapping):
            return str(kernel.get("type") or "")
    return ""
