"""What the placeholders in commands of boot loaders stand for."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count, takewhile
from pathlib import Path

from labq.actions.steps.dictionary import lookup
from labq.actions.steps.images import images
from labq.actions.steps.media import media_of
from labq.actions.steps.tftp_folder import tftp_folder
from labq.actions.steps.work import namespaced
from labq.hw.session import Session

NFS = "nfs_root"
"""Under this key a deploy remembers `{"address": ..., "path": ...}` of a root file system by NFS."""
NBD_PORT = "nbd_port"
PRESEED_LOCAL = "preseed_local"
EXTRA_FILES = "extra_files"
KERNEL_TYPE = "kernel_type"
"""Under this key a deploy remembers of what type the kernel is that the boot loader gets."""

UIMAGE = "bootm"
"""The command for kernels that have U-Boot's header; other kernels get it where it must be taken."""
_COMMANDS = {"image": "booti", "uimage": UIMAGE, "zimage": "bootz"}
_ADDRESSES = frozenset({"kernel", "dtb", "dtbo", "tee", "ramdisk"})


def values_of(session: Session) -> dict[str, str]:
    """Return values by the names of placeholders; a name is missing where there is no value."""
    media = media_of(session)
    served = {label: relative(session, path) for label, path in images(session).items()}
    if media is not None:
        served |= media.files
    values = _host(session) | {label.upper(): path for label, path in served.items()}
    for label in ("initrd", "ramdisk"):
        if label in served:
            values |= dict.fromkeys(("RAMDISK", "INITRD"), served[label])
    values |= _remembered(session)
    if media is not None:
        values |= {"ROOT": media.root, "ROOT_PART": media.part}
    return values | _addresses(session, served, media.kernel_type if media else "")


def relative(session: Session, path: Path) -> str:
    """Return the path as the TFTP server of the host knows it."""
    root = tftp_folder(session.plan.device)
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def extra_files(session: Session) -> dict[str, str]:
    """Return where the job's own files are, which are served beside those that boot."""
    folder = session.recall(namespaced(session, EXTRA_FILES))
    return {"EXTRA_FILES_DIR": relative(session, Path(folder))} if isinstance(folder, str) else {}


def overlays_of_device_tree(session: Session) -> list[str]:
    """Return the labels of the overlays that the job deployed, in its order."""
    known = images(session)
    return list(takewhile(known.__contains__, (f"dtbo{number}" for number in count())))


def kernel_command(session: Session, kind: str) -> tuple[str, Mapping[str, object]]:
    """Return booti, bootm or bootz for a type of kernel, and the device's addresses for it.

    Without a type the first that the device has is taken; a device that lacks the command for a
    type takes the kernel as a uImage.
    """
    wanted = [_COMMANDS[kind], UIMAGE] if kind else list(_COMMANDS.values())
    parameters = session.plan.dictionary.get("parameters")
    tables = parameters if isinstance(parameters, Mapping) else {}
    names = {command: name for name, command in _COMMANDS.items()}
    for command in wanted:
        table = tables.get(command) or tables.get(names[command])
        if isinstance(table, Mapping):
            return command, table
    return wanted[0], {}


def _host(session: Session) -> dict[str, str]:
    address = str(session.plan.dictionary.get("host_address") or "")
    names = ("SERVER_IP", "NFS_SERVER_IP", "LAVA_DISPATCHER_IP", "NBDSERVERIP")
    values = dict.fromkeys(names, address)
    values["LAVA_JOB_ID"] = str(session.plan.job)
    mac = lookup(session.step.device, "parameters", "lava_mac")
    return values | ({"LAVA_MAC": str(mac)} if mac else {})


def _remembered(session: Session) -> dict[str, str]:
    """Return what deploys left for the boot loader beside images."""
    kept = {
        "NBDSERVERPORT": session.recall(namespaced(session, NBD_PORT)),
        "PRESEED_LOCAL": session.recall(namespaced(session, PRESEED_LOCAL)),
    }
    root = session.recall(namespaced(session, NFS))
    if isinstance(root, Mapping):
        kept |= {"NFSROOTFS": root.get("path"), "NFS_SERVER_IP": root.get("address")}
    values = {name: str(value) for name, value in kept.items() if value is not None}
    values |= extra_files(session)
    preseed = images(session).get("preseed")
    return values | ({"PRESEED_CONFIG": relative(session, preseed)} if preseed else {})


def _addresses(session: Session, served: Mapping[str, str], kind: str) -> dict[str, str]:
    command, table = kernel_command(session, kind or _kernel_type(session))
    values = {
        f"{part.upper()}_ADDR": str(address)
        for part, address in table.items()
        if part in _ADDRESSES and address
    }
    if "dtbo0" in served and "DTB_ADDR" in values:
        values["DTB_BASE_ADDR"] = values["DTB_ADDR"]
        values["DTB_BASE_RESIZE"] = str(
            lookup(session.plan.dictionary, "parameters", "dtb_base_resize")
        )
    if not _passes_ramdisk(session, served):
        values["RAMDISK_ADDR"] = "-"
    begins = values.get("TEE_ADDR" if "tee" in served else "KERNEL_ADDR")
    if "kernel" in served and begins:
        dtb = _device_tree(session, served, values)
        values["BOOTX"] = f"{command} {begins} {_ramdisk(session, values)} {dtb}".strip()
    return values


def _ramdisk(session: Session, values: Mapping[str, str]) -> str:
    """Return the ramdisk as an argument: without a header U-Boot has to be told its size."""
    address = values.get("RAMDISK_ADDR", "-")
    return (
        address if address == "-" or _header(session) == "u-boot" else f"{address}:${{initrd_size}}"
    )


def _passes_ramdisk(session: Session, served: Mapping[str, str]) -> bool:
    has_one = "ramdisk" in served or "initrd" in served
    return has_one and (session.step.method != "u-boot" or _header(session) in ("u-boot", "raw"))


def _header(session: Session) -> object:
    return lookup(session.plan.dictionary, "actions", "deploy", "parameters", "add_header")


def _device_tree(session: Session, served: Mapping[str, str], values: Mapping[str, str]) -> str:
    """Return where the device tree is: a board may have its own, used where the job brings none."""
    own = lookup(session.plan.dictionary, "parameters", "board_dtb")
    if own and "dtb" not in served:
        return str(own)
    return values.get("DTB_ADDR", "")


def _kernel_type(session: Session) -> str:
    return str(session.recall(namespaced(session, KERNEL_TYPE)) or "")
