"""`labq host undrain`: let a drained host work again."""

from __future__ import annotations

from pathlib import Path

import click

from labq import config
from labq.benchlink import drain as bench
from labq.cli.api import connect
from labq.cli.failures import Unreachable, translated
from labq.cli.host.here import folder_of, host_options
from labq.cli.output import json_option, note, show_json, wants_json
from labq.supervisor import joined

ANSWER_SECONDS = 10.0


@click.command()
@host_options
@json_option
def command(name: str | None, *, state: Path | None) -> None:
    """Let the host NAME work again (admins); on the host itself what was drained there needs no server."""
    host = joined.choose(name)
    here = folder_of(name, state) / config.load().bench_socket.name
    with translated():
        if here.exists():
            bench.drain(here, "", ANSWER_SECONDS)
        _tell_server(host, is_done=here.exists())
    if wants_json():
        show_json({"host": host, "drained": False})
    else:
        note(f"host {host} works again")


def _tell_server(host: str, *, is_done: bool) -> None:
    try:
        with connect() as api:
            api.patch(f"/hosts/{host}", {"health": "active", "reason": "undrained", "drain": ""})
    except Unreachable:
        if not is_done:
            raise
