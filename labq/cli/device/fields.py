"""What is shown of a device."""

from __future__ import annotations

import click

from labq.cli.api import Row
from labq.cli.output import Column, show_fields, show_json, wants_json

FIELDS = (
    "name",
    "device_type",
    "host",
    "next_host",
    "state",
    "health",
    "health_reason",
    "job",
    "held",
    "health_job",
    "health_checked_at",
    "next_health_check",
    "description",
    "tags",
    "exclusive",
)
COLUMNS = (
    Column("NAME", "name"),
    Column("DEVICE TYPE", "device_type"),
    Column("HOST", "host"),
    Column("STATE", "state"),
    Column("HEALTH", "health"),
    Column("JOB", "job"),
    Column("TAGS", "tags"),
    Column("REASON", "health_reason"),
)


def show_device(found: Row, url: str) -> None:
    """Print a device and the address of its page, or all of it as JSON."""
    if wants_json():
        show_json(found)
        return
    check = found["check"] or {}
    checks = {
        "health_job": check.get("job"),
        "health_checked_at": check.get("submitted_at"),
        "next_health_check": check.get("next"),
    }
    show_fields({**found["device"], **checks}, FIELDS)
    click.echo(f"\n{url}/devices/{found['device']['name']}")
