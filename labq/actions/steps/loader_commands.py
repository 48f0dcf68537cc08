"""Command sets of boot loaders with their placeholders filled in, and as a script."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from labq.actions.steps.dictionary import lookup, texts
from labq.actions.steps.images import images
from labq.actions.steps.loader_values import overlays_of_device_tree, relative, values_of
from labq.actions.steps.tftp_folder import tftp_folder
from labq.domain.errors import JobError
from labq.hw.session import Session

APPLY = "{APPLY_DTBO_COMMANDS}"
_PLACE = re.compile(r"(?<!\$)\{([A-Z][A-Z0-9_]*)\}")


def substituted(
    session: Session, commands: Sequence[str], more: Mapping[str, str] | None = None
) -> list[str]:
    """Return the lines with placeholders filled in; a line that needs a missing value is dropped.

    `more` are values that only one method knows.
    """
    values = {**values_of(session), **(more or {})}
    return [
        _PLACE.sub(lambda place: values[place.group(1)], line)
        for line in _with_overlays(session, commands)
        if all(name in values for name in _PLACE.findall(line))
    ]


def filled(session: Session, text: str, more: Mapping[str, str]) -> str:
    """Return a text with the placeholders filled in that have a value."""
    values = {**values_of(session), **more}
    return _PLACE.sub(lambda place: values.get(place.group(1), place.group()), text)


def boot_script(session: Session, lines: Sequence[str]) -> list[str]:
    """Put the lines into a script that the loader fetches by TFTP; return what starts it."""
    served = images(session)
    folder = next(iter(served.values())).parent.parent if served else None
    if folder is None or not folder.is_relative_to(tftp_folder(session.plan.device)):
        raise JobError("use_bootscript needs a deploy to tftp before it")
    path = folder / "script.ipxe"
    path.write_text("\n".join(["#!ipxe", "", *lines, ""]))
    address = str(session.plan.dictionary.get("host_address") or "")
    return ["dhcp net0", f"chain tftp://{address}/{relative(session, path)}"]


def _with_overlays(session: Session, commands: Sequence[str]) -> Iterator[str]:
    """Yield the lines; the device's commands for an overlay of the device tree stand at APPLY."""
    apply = texts(lookup(session.step.device, "parameters", "apply_dtbo_commands"))
    for line in commands:
        if line != APPLY:
            yield line
            continue
        for label in overlays_of_device_tree(session):
            for command in apply:
                yield command.replace("{DTBO}", f"{{{label.upper()}}}")
