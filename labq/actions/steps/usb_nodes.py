"""Device nodes of boards on USB: what sysfs shows of those that a dictionary's `device_info` names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

SYS = Path("/sys")
DEV = Path("/dev")
_KEYS = (("board_id", "serial"), ("usb_vendor_id", "idVendor"), ("usb_product_id", "idProduct"))


def nodes_of(infos: object, *, sys: Path = SYS, dev: Path = DEV) -> list[Path]:
    """Return the nodes of the boards and of all that they show (terminals, disks), sorted."""
    wanted = [info for info in infos if _is_said(info)] if isinstance(infos, list | tuple) else []
    found = {
        dev / name
        for folder in _devices(sys)
        if any(_is_of(folder, info) for info in wanted)
        for name in _names(folder)
    }
    return sorted(node for node in found if node.exists())


def _is_said(info: object) -> bool:
    return isinstance(info, Mapping) and any(info.get(key) for key, _ in _KEYS)


def _devices(sys: Path) -> Iterator[Path]:
    folder = sys / "bus" / "usb" / "devices"
    for one in sorted(folder.iterdir()) if folder.is_dir() else ():
        if (one / "idVendor").is_file():
            yield one.resolve()


def _is_of(folder: Path, info: Mapping[str, object]) -> bool:
    return all(
        str(info[key]).lower() == _read(folder / name) for key, name in _KEYS if info.get(key)
    )


def _names(folder: Path) -> Iterator[str]:
    for place, _, files in os.walk(folder):
        if "dev" in files and "uevent" in files:
            lines = _read(Path(place, "uevent"), lower=False).splitlines()
            yield from (line[8:] for line in lines if line.startswith("DEVNAME="))


def _read(path: Path, *, lower: bool = True) -> str:
    try:
        text = path.read_text(errors="replace").strip()
    except OSError:
        return ""
    return text.lower() if lower else text
