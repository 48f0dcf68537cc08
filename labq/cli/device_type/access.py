"""`labq device-type access`."""

from __future__ import annotations

from labq.cli import access

command = access.commands("device-types", "device type")
