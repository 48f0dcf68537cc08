"""`labq host join`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from labq import config
from labq.cli.failures import Misused
from labq.cli.host.joining import Server, check_ca, check_url, exchange
from labq.cli.output import json_option, note, show_json, wants_json
from labq.domain.errors import ConfigurationError
from labq.domain.names import check_host_name
from labq.supervisor import joined, sole

EPILOG = """\b
Example, as `labq host enroll rack-2` prints it:
  labq host join https://lab.example.org --code rack-2:Zk... --ca sha256:5f..."""


@click.command(epilog=EPILOG)
@click.argument("url")
@click.option("--code", required=True, help="The code of `labq host enroll`; `-` reads it.")
@click.option("--ca", default="", help="SHA-256 of the certificate to trust: sha256:DIGITS.")
@click.option(
    "--state", type=click.Path(path_type=Path), help="Folder of all data of this machine."
)
@click.option("--plain-http", is_flag=True, help="Send the code over a network without encryption.")
@json_option
def command(url: str, code: str, ca: str, state: Path | None, *, plain_http: bool) -> None:
    """Make this machine a host of the server at URL; connections go out only.

    The code is exchanged for the host's own Redis user and credential, kept in a folder that only
    you can read. `labq host run` then runs the host.
    """
    if state is not None:
        os.environ["LABQ_STATE"] = str(state.expanduser().absolute())
    secret = sys.stdin.readline().strip() if code == "-" else code
    host, _, rest = secret.partition(":")
    if not (host and rest):
        raise Misused("--code is not one of `labq host enroll`: those are NAME:LETTERS")
    check_host_name(host)
    server = Server(check_url(url, plain_http=plain_http), check_ca(ca))
    folder = joined.host_folder(config.load(), host)
    with sole.alone(folder):
        setup = exchange(server, "/enrolment/join", {"code": secret})
        if setup.get("host") != host:
            raise ConfigurationError(f"{url} answers for another host: {setup.get('host')!r}")
        path = joined.keep(folder, {**setup, "server_url": server.url}, str(setup["certificate"]))
    _tell(host, path)


def _tell(host: str, path: Path) -> None:
    if wants_json():
        show_json({"host": host, "file": str(path)})
        return
    click.echo(f"this machine is host {host} now (kept in {path})")
    note(f"run it with `labq host run {host}`, or as the service labq-host@{host}")
