"""scheduler.remote_artifact_tokens: a user's own secrets for other servers."""

from __future__ import annotations

from labq.domain.errors import ConflictError, NotFoundError
from labq.services import remote_tokens
from labq.web.endpoint import Call, Level
from labq.web.lava.faults import bad_request, not_found
from labq.web.lava.method import Method, Text


def list_tokens(call: Call) -> list[dict[str, str]]:
    """Return one's own tokens: arrays of {name, token}."""
    keys = call.settings.sealing_keys
    return [
        {
            "name": row.name,
            "token": remote_tokens.find(call.session, call.user_id, row.name, keys=keys) or "",
        }
        for row in remote_tokens.find_all(call.session, call.user_id)
    ]


def show(call: Call, name: Text) -> str:
    """Return the value of one of one's own tokens."""
    value = remote_tokens.find(call.session, call.user_id, name, keys=call.settings.sealing_keys)
    if value is None:
        raise not_found("Token", name)
    return value


def add(call: Call, name: Text, token: Text) -> None:
    """Keep a token; definitions of one's own jobs use it by its name."""
    try:
        remote_tokens.add(
            call.session,
            call.user_id,
            name,
            token,
            keys=call.settings.sealing_keys,
            now=call.now,
        )
    except ConflictError as error:
        raise bad_request(str(error)) from error


def delete(call: Call, name: Text) -> None:
    """Remove one of one's own tokens."""
    try:
        remote_tokens.remove(call.session, call.user_id, name)
    except NotFoundError as error:
        raise not_found("Token", name) from error


METHODS = (
    Method(
        name="scheduler.remote_artifact_tokens.list",
        run=list_tokens,
        returns="array",
        level=Level.USER,
    ),
    Method(
        name="scheduler.remote_artifact_tokens.show",
        run=show,
        returns="string",
        level=Level.USER,
    ),
    Method(
        name="scheduler.remote_artifact_tokens.add",
        run=add,
        returns="nil",
        level=Level.USER,
        is_change=True,
    ),
    Method(
        name="scheduler.remote_artifact_tokens.delete",
        run=delete,
        returns="nil",
        level=Level.USER,
        is_change=True,
    ),
)
