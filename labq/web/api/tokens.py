"""API tokens: one's own, for admins also those of others."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from labq.domain.errors import ForbiddenError
from labq.services import tokens, users
from labq.services.tokens import NewToken, TokenRow
from labq.web.endpoint import Call, Endpoint, Level
from labq.web.parsing import Input, Text


class TokenQuery(Input):
    """Whose tokens."""

    user: Text | None = Field(default=None, description="default: one's own")


class TokenBody(Input):
    """A new token."""

    description: Text = Field(min_length=1, max_length=200)
    expires_in_days: int | None = Field(default=None, ge=1, le=3650)
    user: Text | None = Field(default=None, description="default: for oneself")


def index(call: Call, query: TokenQuery) -> tuple[TokenRow, ...]:
    """List a user's tokens."""
    return tokens.find_all(call.session, _owner(call, query.user))


def create(call: Call, body: TokenBody) -> NewToken:
    """Make a token."""
    days = body.expires_in_days
    return tokens.create(
        call.session,
        _owner(call, body.user),
        body.description,
        now=call.now,
        expires_at=None if days is None else call.now + timedelta(days=days),
        keys=call.settings.sealing_keys,
    )


def revoke(call: Call, token: int) -> None:
    """Revoke a token."""
    tokens.revoke(call.session, call.viewer, token)


def _owner(call: Call, user: str | None) -> int:
    if user is None or user == call.viewer.name:
        return call.user_id
    if not call.viewer.is_admin:
        raise ForbiddenError("only an admin may do this for somebody else")
    return users.find(call.session, user).id


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/tokens",
        summary="List tokens, without their secrets",
        run=index,
        level=Level.USER,
        query=TokenQuery,
        answer=tuple[TokenRow, ...],
    ),
    Endpoint(
        method="POST",
        path="/tokens",
        summary="Make a token; its secret is shown this once",
        run=create,
        level=Level.USER,
        body=TokenBody,
        answer=NewToken,
        status=201,
    ),
    Endpoint(
        method="DELETE",
        path="/tokens/<id:token>",
        summary="Revoke a token",
        run=revoke,
        level=Level.USER,
        status=204,
    ),
)
