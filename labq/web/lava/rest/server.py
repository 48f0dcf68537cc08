"""From a route to a view: who asks, one transaction, one answer, errors in LAVA's words."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flask import Flask, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from labq.web import auth, csrf
from labq.web.dispatch import Dispatcher, Errand
from labq.web.endpoint import Call
from labq.web.lava.rest.route import PREFIX, Reply, Route
from labq.web.parsing import check_path


def register(app: Flask, dispatcher: Dispatcher, routes: Iterable[Route]) -> None:
    """Serve routes; their addresses end in `/`, without it a redirect leads there."""
    for route in routes:
        if route.method == "GET" and route.path:
            rule = PREFIX + route.path.rstrip("/")
            app.add_url_rule(rule, "rest.lead_on", _lead_on, methods=["GET"])
        app.add_url_rule(
            PREFIX + route.path,
            endpoint=route.name,
            # What several methods lead to is one view.
            view_func=app.view_functions.get(route.name) or _view(dispatcher, route),
            methods=[route.method],
            strict_slashes=True,
        )


def _lead_on(**_path: object) -> AnyResponse:
    """Lead to the address with the slash; werkzeug's own redirect has a status that is newer."""
    query = request.query_string.decode(errors="replace")
    return redirect(f"{request.base_url}/{f'?{query}' if query else ''}", 301)


def _view(dispatcher: Dispatcher, route: Route) -> Callable[..., AnyResponse]:
    def view(**path: object) -> AnyResponse:
        check_path(path)
        if not auth.has_token() and auth.session_secret() and route.writes:
            csrf.check()

        def answer(call: Call) -> object:
            auth.require(route.level, call.viewer)
            return route.run(call, **path)

        errand = Errand(
            name=route.name,
            secret=auth.secret(),
            authenticate=dispatcher.authenticate,
            is_change=route.writes,
        )
        return _response(dispatcher.call(errand, answer))

    return view


def _response(value: object) -> AnyResponse:
    if isinstance(value, Response):
        return value
    return (value if isinstance(value, Reply) else Reply(value)).response()
