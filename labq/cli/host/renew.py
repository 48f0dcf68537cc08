"""`labq host renew`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from labq.cli.failures import Misused
from labq.cli.host.joining import Server, check_ca, exchange
from labq.cli.output import json_option, note, show_json, wants_json
from labq.supervisor import joined


@click.command()
@click.argument("name", required=False)
@click.option("--ca", default="", help="SHA-256 of the certificate to trust: sha256:DIGITS.")
@click.option(
    "--state", type=click.Path(path_type=Path), help="Folder of all data of this machine."
)
@json_option
def command(name: str | None, ca: str, state: Path | None) -> None:
    """Give the host NAME of this machine a new password and credential; the old ones are void.

    Also takes up the certificate that the server shows now: over HTTPS, or compared with --ca. A
    host that runs goes on until its connections end: restart it.
    """
    if state is not None:
        os.environ["LABQ_STATE"] = str(state.expanduser().absolute())
    settings = joined.enter(joined.choose(name))
    if not settings.credential:
        raise Misused(f"this machine has not joined as host {settings.host}")
    server = Server(settings.server_url, check_ca(ca))
    setup = exchange(server, "/enrolment/renew", {"credential": settings.credential})
    facts = {**setup, "server_url": server.url}
    path = joined.keep(settings.bench_folder, facts, str(setup["certificate"]))
    if wants_json():
        show_json({"host": settings.host, "file": str(path)})
    else:
        note(f"host {settings.host} has new secrets (kept in {path}): restart it")
