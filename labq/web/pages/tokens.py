"""`/tokens`: the viewer's own API tokens, and remote tokens."""

from __future__ import annotations

from datetime import timedelta

from flask import Response
from pydantic import Field

from labq.services import remote_tokens, tokens
from labq.services.remote_tokens import LONGEST_VALUE
from labq.services.tokens import NewToken
from labq.web.endpoint import Call, Level, Page
from labq.web.parsing import Id, Input, Text
from labq.web.rendering import render


class TokenForm(Input):
    """What a new token is for, and how many days it holds (0: for ever)."""

    description: Text = Field(min_length=1, max_length=200)
    days: int = Field(default=0, ge=0, le=3650)


class RevokeForm(Input):
    """Which token."""

    token: Id


class RemoteForm(Input):
    """A secret for another server, and the name that stands for it."""

    name: Text = Field(min_length=1, max_length=100)
    token: Text = Field(min_length=1, max_length=LONGEST_VALUE)


class ForgetForm(Input):
    """Which remote token."""

    name: Text


def show(call: Call) -> str:
    """List the tokens."""
    return _page(call, None)


def create(call: Call, form: TokenForm) -> str:
    """Make a token and show its secret, this once."""
    expires_at = call.now + timedelta(days=form.days) if form.days else None
    made = tokens.create(
        call.session,
        call.user_id,
        form.description,
        now=call.now,
        expires_at=expires_at,
        keys=call.settings.sealing_keys,
    )
    return _page(call, made)


def revoke(call: Call, form: RevokeForm) -> Response:
    """Make a token worthless."""
    tokens.revoke(call.session, call.viewer, form.token)
    return Response(status=303, headers={"Location": "/tokens"})


def store_remote(call: Call, form: RemoteForm) -> Response:
    """Store a secret, which is not shown again."""
    keys = call.settings.sealing_keys
    remote_tokens.add(call.session, call.user_id, form.name, form.token, keys=keys, now=call.now)
    return Response(status=303, headers={"Location": "/tokens"})


def forget_remote(call: Call, form: ForgetForm) -> Response:
    """Forget a secret."""
    remote_tokens.remove(call.session, call.user_id, form.name)
    return Response(status=303, headers={"Location": "/tokens"})


def _page(call: Call, made: NewToken | None) -> str:
    found = tokens.find_all(call.session, call.user_id)
    remote = remote_tokens.find_all(call.session, call.user_id)
    return render(call, "tokens.html", tokens=found, made=made, remote=remote)


PAGES = (
    Page(path="/tokens", run=show, level=Level.USER),
    Page(path="/tokens", run=create, method="POST", level=Level.USER, form=TokenForm),
    Page(
        path="/tokens/remote",
        run=store_remote,
        method="POST",
        level=Level.USER,
        form=RemoteForm,
    ),
    Page(
        path="/tokens/remote/forget",
        run=forget_remote,
        method="POST",
        level=Level.USER,
        form=ForgetForm,
    ),
    Page(path="/tokens/revoke", run=revoke, method="POST", level=Level.USER, form=RevokeForm),
)
