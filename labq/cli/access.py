"""Rights of groups on devices and on device types: one set of commands for both."""

from __future__ import annotations

from urllib.parse import quote

import click

from labq.cli import choice
from labq.cli.api import Row, connect
from labq.cli.output import Column, json_option, show_json, show_rows, wants_json
from labq.domain.rights import Right

COLUMNS = (Column("GROUP", "group"), Column("RIGHT", "right"))


def commands(path: str, what: str) -> click.Group:
    """Return the group of commands on the rights below an address of the API."""

    @click.group()
    def access() -> None:
        pass

    access.help = (
        f"List, add and remove rights of groups on a {what}: view, submit, change.\n\n"
        "Each right includes those before it. While no group was given the right to view, everybody"
        " may view; to submit: every user may submit. To change is for admins and who was given it."
    )
    access.add_command(_list(path, what))
    access.add_command(_add(path, what))
    access.add_command(_remove(path, what))
    return access


def _list(path: str, what: str) -> click.Command:
    @click.command("list", help=f"List the rights that groups were given on the {what} NAME.")
    @click.argument("name")
    @json_option
    def found(name: str) -> None:
        with connect() as api:
            show_rows(api.get(_address(path, name))["items"], COLUMNS)

    return found


def _add(path: str, what: str) -> click.Command:
    @click.command("add", help=f"Give GROUP a right on the {what} NAME (admins).")
    @click.argument("name")
    @click.argument("group")
    @click.argument("right", type=choice.of(Right))
    @click.option("--reason", default="", help="Why, for the audit trail.")
    @json_option
    def given(name: str, group: str, right: str, reason: str) -> None:
        body: Row = {"group": group, "right": right, "reason": reason}
        with connect() as api:
            show_rows(api.post(_address(path, name), body)["items"], COLUMNS)

    return given


def _remove(path: str, what: str) -> click.Command:
    @click.command("remove", help=f"Take a right on the {what} NAME from GROUP (admins).")
    @click.argument("name")
    @click.argument("group")
    @click.argument("right", type=choice.of(Right))
    @json_option
    def taken(name: str, group: str, right: str) -> None:
        with connect() as api:
            api.delete(f"{_address(path, name)}/{quote(group, safe='')}/{right}")
        if wants_json():
            show_json({"name": name, "group": group, "removed": right})
        else:
            click.echo(f"{group} has no longer the right to {right} {name}")

    return taken


def _address(path: str, name: str) -> str:
    return f"/{path}/{quote(name, safe='')}/rights"
