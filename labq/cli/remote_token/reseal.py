"""`labq remote-token reseal`: on the server's own machine, straight in its database."""

from __future__ import annotations

import click

from labq.cli.output import json_option, show_json, wants_json


@click.command()
@json_option
def command() -> None:
    """Put all stored secrets under LABQ_SECRET_KEY that are under a former key.

    For admins of the server: it needs LABQ_SECRET_KEY, LABQ_FORMER_SECRET_KEYS and
    LABQ_DATABASE_URL, or the state folder of `labq up`. Secrets of API tokens are among them.
    """
    from labq.cli.database import opened, sealing_keys  # noqa: PLC0415 - SQLAlchemy takes a while
    from labq.services import remote_tokens, tokens  # noqa: PLC0415

    keys = sealing_keys()
    with opened() as session, session.begin():
        remote = remote_tokens.seal_anew(session, keys=keys)
        own = tokens.seal_anew(session, keys=keys)
    if wants_json():
        show_json({"remote_tokens": remote, "tokens": own})
    else:
        click.echo(f"sealed anew: {remote} remote tokens, {own} API tokens")
