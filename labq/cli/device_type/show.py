"""`labq device-type show`."""

from __future__ import annotations

import click

from labq.cli.api import Row, connect
from labq.cli.output import json_option, show_fields, show_json, wants_json

FIELDS = (
    "name",
    "description",
    "aliases",
    "devices",
    "fit",
    "idle",
    "waiting_jobs",
    "health_check",
)


@click.command()
@click.argument("name")
@click.option("--health-check", is_flag=True, help="Print the definition of its health check.")
@json_option
def command(name: str, *, health_check: bool) -> None:
    """Show the device type NAME."""
    with connect() as api:
        if not health_check:
            show_type(api.get(f"/device-types/{name}"), api.server.url)
            return
        text = api.text(f"/device-types/{name}/health-check")
        if wants_json():
            show_json({"health_check": text})
        else:
            click.echo(text.rstrip("\n"))


def show_type(found: Row, url: str) -> None:
    """Print a device type and the address of its page, or all of it as JSON."""
    if wants_json():
        show_json(found)
        return
    show_fields({**found, "health_check": _describe(found)}, FIELDS)
    click.echo(f"\n{url}/device-types/{found['name']}")


def _describe(found: Row) -> str:
    if not found["has_health_check"]:
        return "none"
    often = f"every {found['health_frequency']} {found['health_denominator']}"
    return f"{often}, disabled" if found["health_disabled"] else often
