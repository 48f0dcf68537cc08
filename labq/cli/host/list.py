"""`labq host list`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import Column, age, json_option, show_rows


def _slots(value: object) -> str:
    if not isinstance(value, dict):
        return "-"
    return " ".join(f"{kind} {slot['used']}/{slot['limit']}" for kind, slot in value.items())


def _stage(value: object) -> str:
    return str(value["stage"]) if isinstance(value, dict) else "-"


COLUMNS = (
    Column("NAME", "name"),
    Column("STATE", "state"),
    Column("HEALTH", "health"),
    Column("JOINED", "enrolment", _stage),
    Column("LOAD", "is_overloaded", lambda value: "overloaded" if value else "fine"),
    Column("ADDRESS", "address"),
    Column("DEVICES", "devices"),
    Column("RUNS", "open_runs"),
    Column("REPORTED", "reported_at", age),
    Column("SLOTS", "slots", _slots),
)


@click.command()
@json_option
def command() -> None:
    """List hosts with their devices, open runs and used slots."""
    with connect() as api:
        show_rows(list(api.pages("/hosts")), COLUMNS)
