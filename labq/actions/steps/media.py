"""Boots from media of the device that an earlier deploy wrote: where kernel and root are on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labq.actions.steps.dictionary import lookup
from labq.domain.errors import JobError
from labq.domain.plan import StepKind
from labq.hw.session import Session


@dataclass(frozen=True, slots=True)
class Media:
    """What the boot block says of the files on the medium; `part` is as the loader writes it."""

    files: Mapping[str, str]
    root: str
    part: str
    kernel_type: str


def media_of(session: Session) -> Media | None:
    """Return the medium that a boot block's command set names, None where it names none.

    Raises JobError when the block does not say what is where on it.
    """
    block = session.step.parameters
    name = block.get("commands")
    known = lookup(session.plan.dictionary, "parameters", "media")
    if not isinstance(name, str) or not isinstance(known, Mapping) or name not in known:
        return None
    is_uboot = session.step.method == "u-boot"
    wanted = ("kernel", "root_uuid", "boot_part", *(("kernel_type",) if is_uboot else ()))
    missing = [key for key in wanted if key not in block]
    if missing:
        raise JobError(f"a boot from {name} needs {', '.join(missing)} in its block")
    part = str(block["boot_part"])
    return Media(
        files={key: str(block[key]) for key in ("kernel", "ramdisk", "dtb") if block.get(key)},
        root=str(block["root_uuid"]),
        part=f"{_device_id(session, name, known)}:{part}" if is_uboot else part,
        kernel_type=str(block.get("kernel_type") or ""),
    )


def _device_id(session: Session, name: str, known: Mapping[str, object]) -> str:
    """Return U-Boot's number of the disk that the deploy before this boot wrote."""
    step = session.step
    written = [
        str(before.parameters.get("device"))
        for before in session.plan.steps[: step.index]
        if before.kind is StepKind.DEPLOY and before.namespace == step.namespace
    ]
    found = lookup(known, name, written[-1], "device_id") if written else None
    if found is None:
        disk = repr(written[-1]) if written else "no disk"
        raise JobError(f"the deploy before this boot wrote {disk}, which is none of {name}")
    return str(found)
