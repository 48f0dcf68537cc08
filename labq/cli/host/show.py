"""`labq host show`."""

from __future__ import annotations

import click

from labq.cli.api import Row, connect
from labq.cli.output import (
    Column,
    json_option,
    note,
    share,
    show_fields,
    show_json,
    table,
    wants_json,
)

FIELDS = (
    "name",
    "state",
    "health",
    "address",
    "description",
    "version",
    "protocol",
    "mismatch",
    "reported_at",
    "lost_after_seconds",
    "devices",
    "open_runs",
    "preset",
    "config",
    "timeout_scales",
    "overloaded",
    "load",
    "enrolment",
    "trusts_until",
    "refused",
    "refused_reason",
)
SLOT_COLUMNS = (
    Column("SLOTS", "queue"),
    Column("USED", "used"),
    Column("LIMIT", "limit"),
    Column("WAITING", "waiting"),
    Column("LAST MINUTE", "utilisation", share),
    Column("GAP", "gap_ms", lambda value: f"{value} ms" if value else "-"),
    Column("WHY", "reason"),
)
PART_COLUMNS = (
    Column("PROCESS", "name"),
    Column("RUNS", "is_running", lambda value: "yes" if value else "no"),
    Column("RESTARTS", "restarts"),
    Column("LAST REASON", "reason"),
)


@click.command()
@click.argument("name")
@json_option
def command(name: str) -> None:
    """Show the host NAME: what it is, how hard it is pressed, its slots and why there are so many."""
    with connect() as api:
        show_host(api.get(f"/hosts/{name}"))


def show_host(host: Row) -> None:
    """Print a host with its slots and what is unwise about it."""
    if wants_json():
        show_json(host)
        return
    shown = {
        **host,
        "overloaded": host["overload_reason"] if host["is_overloaded"] else None,
        "config": _pairs(host["config"]),
        "timeout_scales": _pairs(host["timeout_scales"]),
        "load": _load(host["load"]),
        **_enrolment(host["enrolment"]),
    }
    show_fields(shown, FIELDS)
    if host["slots"]:
        rows = [{"queue": queue, **slot} for queue, slot in host["slots"].items()]
        click.echo(f"\n{table(rows, SLOT_COLUMNS)}")
    if host["parts"]:
        click.echo(f"\n{table(list(host['parts']), PART_COLUMNS)}")
    for warning in host["warnings"]:
        note(f"warning: {warning}")


def _enrolment(found: Row | None) -> Row:
    if found is None:
        return {"enrolment": None}
    text = {
        "invited": f"invited, code good until {found['code_expires_at']}",
        "joined": f"joined {found['joined_at']} from {found['joined_from']}",
        "revoked": f"cut off {found['revoked_at']}",
    }[found["stage"]]
    return {"enrolment": text, "trusts_until": found["ca_expires_at"]}


def _load(load: Row) -> str | None:
    if not load:
        return None
    text = f"{load['runnable']} tasks want each CPU, load {load['load']}"
    if load["cpu"] is not None:
        shares = (f"{name} {share(load[name])}" for name in ("cpu", "io", "memory"))
        text += f"; some task waits: {', '.join(shares)} of the time"
    return text


def _pairs(values: Row) -> str:
    texts = (
        f"{key} {_pairs(value) if isinstance(value, dict) else value}"
        for key, value in values.items()
        if value
    )
    return ", ".join(texts)
