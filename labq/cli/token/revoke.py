"""`labq token revoke`."""

from __future__ import annotations

import click

from labq.cli.api import connect
from labq.cli.output import json_option, show_json, wants_json


@click.command()
@click.argument("tokens", type=int, nargs=-1, required=True)
@json_option
def command(tokens: tuple[int, ...]) -> None:
    """Make tokens worthless, by the ids that `labq token list` shows."""
    with connect() as api:
        for token in tokens:
            api.delete(f"/tokens/{token}")
    if wants_json():
        show_json({"revoked": list(tokens)})
    else:
        click.echo(f"revoked {', '.join(map(str, tokens))}")
