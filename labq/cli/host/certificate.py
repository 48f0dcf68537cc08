"""`labq host certificate`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from labq import config
from labq.cli.output import json_option, show_json, wants_json
from labq.services import certificates, host_setup

EPILOG = """\b
Example, on the server:
  labq host certificate lab.example.org 192.0.2.7"""


@click.command(epilog=EPILOG)
@click.argument("addresses", nargs=-1, required=True)
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Default: `tls` in the state folder."
)
@json_option
def command(addresses: tuple[str, ...], folder: Path | None) -> None:
    """Make a certificate for a Redis at ADDRESSES, signed by labq's own authority, on the server.

    Redis gets it by tls-cert-file and tls-key-file. The authority is made once: hosts that joined
    go on trusting it. Called again it changes nothing until 30 days before the end.
    """
    place = folder or config.load().state / "tls"
    issued = certificates.ensure(place, addresses, datetime.now(UTC))
    facts = {
        "certificate": str(issued.certificate),
        "key": str(issued.key),
        "authority": str(issued.authority),
        "expires_at": issued.expires_at.isoformat(),
        "ca_sha256": host_setup.read_authority(issued.authority).sha256,
    }
    if wants_json():
        show_json(facts)
        return
    for name, value in facts.items():
        click.echo(f"{name.replace('_', ' '):<11}  {value}")
