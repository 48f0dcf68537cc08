"""`/login` and `/logout`."""

from __future__ import annotations

from flask import Response, redirect
from pydantic import Field

from labq.domain.errors import UnauthenticatedError
from labq.services import logins
from labq.web import auth
from labq.web.endpoint import HTML, Call, Page
from labq.web.parsing import Input, Text
from labq.web.rendering import render


class LoginQuery(Input):
    """Where to go after the log-in."""

    next: Text = "/"


class LoginForm(Input):
    """Name, password and where to go."""

    name: Text = Field(max_length=200)
    password: Text = Field(max_length=2000)
    next: Text = "/"


def login(call: Call, query: LoginQuery) -> str | Response:
    """Show the form; one who is logged in goes on."""
    if not call.viewer.is_anonymous:
        return _to(query.next)
    return render(call, "login.html", next=query.next, name="", error="")


def log_in(call: Call, form: LoginForm) -> Response:
    """Open a session, or show the form again."""
    call.login_limit.count(form.name)
    try:
        opened = logins.create(call.session, form.name, form.password, now=call.now)
    except UnauthenticatedError as error:
        page = render(call, "login.html", next=form.next, name=form.name, error=str(error))
        return Response(page, 401, content_type=f"{HTML}; charset=utf-8")
    call.login_limit.forget(form.name)
    return auth.open_session(_to(form.next), opened)


def log_out(call: Call) -> Response:
    """Close the session."""
    secret = auth.session_secret()
    if secret is not None:
        logins.close(call.session, secret)
    return auth.close_session(_to("/"))


def _to(target: str) -> Response:
    """Return a redirect within this site: a target elsewhere, however written, leads to `/`."""
    is_local = target.startswith("/") and target[1:2] not in ("/", "\\") and target.isprintable()
    return Response(
        headers={"Location": redirect(target if is_local else "/").location}, status=303
    )


PAGES = (
    Page(path="/login", run=login, query=LoginQuery),
    Page(path="/login", run=log_in, method="POST", form=LoginForm),
    Page(path="/logout", run=log_out, method="POST"),
)
