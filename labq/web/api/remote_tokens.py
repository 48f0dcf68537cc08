"""Remote tokens: secrets of one's own for other servers, which job definitions use by name."""

from __future__ import annotations

from pydantic import Field

from labq.services import remote_tokens
from labq.services.remote_tokens import LONGEST_VALUE, RemoteTokenRow
from labq.web.endpoint import Call, Endpoint, Level
from labq.web.parsing import Input, Text


class RemoteTokenBody(Input):
    """A secret and the name that stands for it; it is never shown again."""

    name: Text = Field(min_length=1, max_length=100)
    token: Text = Field(min_length=1, max_length=LONGEST_VALUE)


def index(call: Call) -> tuple[RemoteTokenRow, ...]:
    """List one's remote tokens."""
    return remote_tokens.find_all(call.session, call.user_id)


def create(call: Call, body: RemoteTokenBody) -> RemoteTokenRow:
    """Store a secret."""
    keys = call.settings.sealing_keys
    return remote_tokens.add(
        call.session, call.user_id, body.name, body.token, keys=keys, now=call.now
    )


def remove(call: Call, name: str) -> None:
    """Forget a secret."""
    remote_tokens.remove(call.session, call.user_id, name)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/remote-tokens",
        summary="List one's remote tokens, without their values",
        run=index,
        level=Level.USER,
        answer=tuple[RemoteTokenRow, ...],
    ),
    Endpoint(
        method="POST",
        path="/remote-tokens",
        summary="Store a secret for another server: job definitions use it by its name",
        run=create,
        level=Level.USER,
        body=RemoteTokenBody,
        answer=RemoteTokenRow,
        status=201,
    ),
    Endpoint(
        method="DELETE",
        path="/remote-tokens/<path:name>",
        summary="Remove a remote token",
        run=remove,
        level=Level.USER,
        status=204,
    ),
)
