"""`labq device group create`."""

from __future__ import annotations

import re

import click

from labq import config
from labq.cli.api import Api, Row, connect
from labq.cli.device.fields import COLUMNS
from labq.cli.device.group.members import KINDS, MOST_MEMBERS, Member
from labq.cli.failures import Failed, Misused
from labq.cli.output import json_option, show_rows

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,60}")
EPILOG = """\b
Examples:
  labq device group create east --kind qemu --count 3
  labq device group create west --kind qemu --count 3    the same addresses inside, kept apart"""


@click.command(epilog=EPILOG)
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), default="qemu", show_default=True)
@click.option("--count", type=click.IntRange(1, MOST_MEMBERS), required=True)
@click.option("--host", help="The host they are on; default: LABQ_HOST, else `local`.")
@json_option
def command(name: str, kind: str, count: int, host: str | None) -> None:
    """Make COUNT virtual devices NAME-1, NAME-2, ... (admins).

    They share a second network interface, to which nothing else is connected; the one of member N
    has the address 52:54:00:00:02:N in every group. Jobs ask for a group by its name as a tag. An
    emulator exists only while a job runs on its device.
    """
    if not _NAME.fullmatch(name):
        raise Misused(f"{name!r}: a name has letters, digits and -_. and begins with none of these")
    place = host or config.load().host
    members = [Member(name, place, kind, number) for number in range(1, count + 1)]
    with connect() as api:
        known = {str(device["name"]): device for device in api.pages("/devices")}
        _refuse_others(members, known)
        for member in members:
            _make(api, member, is_known=member.name in known)
        show_rows(list(api.pages("/devices", tag=name)), COLUMNS)


def _refuse_others(members: list[Member], known: dict[str, Row]) -> None:
    """Raise Failed when a device with such a name is there and not retired."""
    taken = [
        member.name
        for member in members
        if member.name in known and known[member.name]["health"] != "retired"
    ]
    if taken:
        raise Failed(f"there are devices with these names: {', '.join(taken)}")


def _make(api: Api, member: Member, *, is_known: bool) -> None:
    """Add a device, or take one into use again that was removed."""
    body = member.body()
    if is_known:
        kept = {key: value for key, value in body.items() if key not in ("name", "device_type")}
        api.patch(f"/devices/{member.name}", {**kept, "reason": "its group is made again"})
    else:
        api.post("/devices", body)
