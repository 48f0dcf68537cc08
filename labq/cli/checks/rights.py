"""Rights to the devices of a host."""

from __future__ import annotations

import grp
import os
from collections.abc import Iterator
from pathlib import Path

from labq.cli.checks.finding import Finding, State


def serial() -> Iterator[Finding]:
    """Look whether this user may open the serial ports."""
    ports = [path for kind in ("ttyUSB*", "ttyACM*") for path in Path("/dev").glob(kind)]
    closed = [str(path) for path in ports if not os.access(path, os.R_OK | os.W_OK)]
    if closed:
        group = _group_of(Path(closed[0]))
        yield Finding("serial ports", State.WEAK, f"closed: {' '.join(closed)}", f"join {group}")
    else:
        yield Finding("serial ports", State.GOOD, f"{len(ports)} found, all open to you")


def usb() -> Iterator[Finding]:
    """Look whether this user may talk to USB devices."""
    nodes = list(Path("/dev/bus/usb").glob("*/*"))
    closed = [path for path in nodes if not os.access(path, os.W_OK)]
    if closed:
        advice = "give the boards' USB ids to your group by a udev rule, or fastboot needs root"
        yield Finding("USB rights", State.WEAK, f"{len(closed)} of {len(nodes)} closed", advice)
    else:
        yield Finding("USB rights", State.GOOD, f"{len(nodes)} devices, all open to you")


def _group_of(path: Path) -> str:
    try:
        return f"the group {grp.getgrgid(path.stat().st_gid).gr_name}"
    except (KeyError, OSError):
        return "the group that owns it"
