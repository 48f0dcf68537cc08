"""`labq device access`."""

from __future__ import annotations

from labq.cli import access

command = access.commands("devices", "device")
