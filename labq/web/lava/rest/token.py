"""token/: an API token for a name and a password."""

from __future__ import annotations

from labq.domain.errors import InvalidInputError, Problem, UnauthenticatedError
from labq.services import logins, tokens
from labq.web.endpoint import Call
from labq.web.lava.rest import body
from labq.web.lava.rest.route import Json, Route

DESCRIPTION = "Created by REST API call"


def create(call: Call) -> Json:
    """Return the token that was made here before, or a new one where that is not to be had."""
    fields = body.read()
    name, password = body.required(fields, "username"), body.required(fields, "password")
    call.login_limit.count(name)
    try:
        user_id = logins.check_password(call.session, name, password)
    except UnauthenticatedError as error:
        message = "Unable to log in with provided credentials."
        raise InvalidInputError([Problem("non_field_errors", message)]) from error
    call.login_limit.forget(name)
    return {
        "token": tokens.give(
            call.session, user_id, DESCRIPTION, now=call.now, keys=call.settings.sealing_keys
        )
    }


ROUTES = (Route(method="POST", path="token/", run=create, is_change=True),)
