"""`labq mail test`."""

from __future__ import annotations

import time

import click

from labq.cli.api import Api, Row, connect
from labq.cli.failures import Failed
from labq.cli.output import json_option, show_fields
from labq.domain.deadline import Deadline
from labq.domain.states import DeliveryState

POLL_SECONDS = 0.2
FIELDS = ("to", "state", "sent_at", "last_error")


@click.command()
@click.argument("address")
@click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="How long to wait for the first attempt.",
)
@json_option
def command(address: str, seconds: float) -> None:
    """Send a test mail to ADDRESS by the mail server of LABQ_SMTP_URL, and wait for it (admins)."""
    with connect() as api:
        found = _await_attempt(api, api.post("/mail/test", {"address": address}), seconds)
    show_fields(found, FIELDS)
    if found["state"] != DeliveryState.SENT:
        raise Failed(f"the mail to {address} was not sent: {found['last_error']}")


def _await_attempt(api: Api, found: Row, seconds: float) -> Row:
    """Return the mail once it was tried; raises Failed when nobody does that."""
    deadline = Deadline.after(seconds)
    while not found["tries"] and found["state"] == DeliveryState.PENDING:
        if deadline.is_over():
            raise Failed("nobody has tried to send it yet: do a conductor and a core worker run?")
        time.sleep(POLL_SECONDS)
        found = api.get(f"/deliveries/{found['id']}")
    return found
