"""The Flask application: routes from the literal tuples, errors, headers, template globals."""

from __future__ import annotations

from flask import Flask, Response, g, request
from jinja2 import StrictUndefined
from sqlalchemy import Engine
from werkzeug.routing import IntegerConverter, Map

from labq import __version__, log
from labq.config import Settings
from labq.domain.errors import ConfigurationError
from labq.services.paging import LARGEST_ID
from labq.services.parts import Parts, tell, tell_moves
from labq.services.pools import Pools, shared
from labq.services.visibility import ANONYMOUS
from labq.web import csrf, headers, limits, observing, sockets, tags
from labq.web.api import ENDPOINTS
from labq.web.cache import Epoch
from labq.web.dispatch import Dispatcher
from labq.web.docs import register_docs
from labq.web.errors import answer_error
from labq.web.lava import rest
from labq.web.lava import server as rpc_server
from labq.web.lava.rest import errors as rest_errors
from labq.web.lava.rest import route as rest_route
from labq.web.lava.rest import server as rest_server
from labq.web.pages import PAGES
from labq.web.rendering import dense
from labq.web.shelf import CACHE

API_PREFIX = "/api/v1"
LARGEST_BODY_BYTES = 2 * 1024 * 1024


class IdConverter(IntegerConverter):
    """Ids in paths: what a 64-bit column can hold."""

    def __init__(self, map: Map) -> None:  # noqa: A002 - werkzeug's name
        super().__init__(map, max=LARGEST_ID)


def create_app(
    settings: Settings,
    database: Engine | Pools,
    epoch: Epoch | None = None,
    rights: Epoch | None = None,
) -> Flask:
    """Return the application, on pools or on one engine that does for all of them.

    What it caches grows old when somebody raises the epoch, and sooner without one. Who is behind a
    token it remembers while `rights` is live and does not rise.

    Raises ConfigurationError without a secret key and a Redis.
    """
    if not settings.secret_key:
        raise ConfigurationError("LABQ_SECRET_KEY is not set: cookies and tickets need it")
    if not settings.redis_url:
        raise ConfigurationError("LABQ_REDIS_URL is not set: attempts to log in are counted there")
    app = Flask("labq.web")
    app.secret_key = settings.secret_key
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY_BYTES
    app.config["MAX_FORM_MEMORY_SIZE"] = LARGEST_BODY_BYTES
    app.url_map.strict_slashes = False
    app.url_map.converters["id"] = IdConverter
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.filters["dense"] = dense
    pools = shared(database) if isinstance(database, Engine) else database
    dispatcher = Dispatcher(settings, pools, epoch or Epoch(), rights or Epoch())
    app.extensions[CACHE] = dispatcher.cache
    _register_routes(app, dispatcher)
    _register_hooks(app, settings, dispatcher.parts)
    observing.install(app, settings, pools.api)
    return app


def _register_routes(app: Flask, dispatcher: Dispatcher) -> None:
    for endpoint in ENDPOINTS:
        app.add_url_rule(
            API_PREFIX + endpoint.path,
            endpoint=endpoint.name,
            view_func=dispatcher.endpoint(endpoint),
            methods=[endpoint.method],
        )
    for page in PAGES:
        app.add_url_rule(
            page.path, endpoint=page.name, view_func=dispatcher.page(page), methods=[page.method]
        )
    register_docs(app, API_PREFIX, ENDPOINTS)
    rest_server.register(app, dispatcher, rest.ROUTES)
    rpc_server.register(app, dispatcher)
    sockets.register(app)


def _answer_error(error: Exception) -> Response:
    """Answer whatever a handler raised in the words of its surface."""
    if request.path.startswith(rest_route.PREFIX):
        return rest_errors.answer(error)
    return answer_error(error)


def _register_hooks(app: Flask, settings: Settings, parts: Parts) -> None:
    app.register_error_handler(Exception, _answer_error)

    @app.before_request
    def begin() -> None:
        g.viewer = ANONYMOUS
        g.parts = parts
        g.log = log.bound(request=observing.request_id())
        g.log.__enter__()

    @app.after_request
    def finish(response: Response) -> Response:
        told = limits.tell(tags.put(csrf.keep_visit(response)))
        return headers.secure(told, settings)

    @app.teardown_request
    def end(_error: BaseException | None) -> None:
        if "log" in g:
            g.log.__exit__(None, None, None)

    @app.context_processor
    def template_globals() -> dict[str, object]:
        return {
            "csrf_token": csrf.csrf_token,
            "csp_nonce": headers.csp_nonce,
            "viewer": g.get("viewer", ANONYMOUS),
            "path": request.path,
            "version": __version__,
            "troubles": lambda: [tell(part) for part in parts.recent().missing],
            "moves": lambda: tell_moves(
                parts.recent(), is_admin=g.get("viewer", ANONYMOUS).is_admin
            ),
        }
