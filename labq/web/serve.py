"""The web process: waitress before the application."""

from __future__ import annotations

import logging
import signal
import socket
import sys
from types import FrameType
from typing import Any

from flask import Flask
from waitress.server import create_server  # type: ignore[import-untyped]  # it ships no types

from labq import log, statsd
from labq.config import Settings, load
from labq.domain.errors import ConfigurationError
from labq.services.database import Role
from labq.services.pools import open_pools
from labq.services.replica import NAME
from labq.services.silence import REQUEST, Watch, Watches
from labq.web import observing, sockets
from labq.web.app import create_app
from labq.web.cache import Epoch
from labq.web.epochs import Ear
from labq.web.lanes import LaneDispatcher

_LOG = logging.getLogger(__name__)
_THREADS = 8
# The application refuses bodies over its own, smaller limit in its own words.
_LARGEST_BODY_BYTES = 16 * 1024 * 1024


def main() -> None:
    """Serve until SIGTERM or SIGINT; raises ConfigurationError."""
    settings = load()
    log.setup("web", settings)
    statsd.setup(settings)
    if not settings.web_database:
        raise ConfigurationError("LABQ_DATABASE_URL is not set")
    _watch(settings)
    pools, epoch, rights = open_pools(settings), Epoch(), Epoch()
    Ear(pools.api, epoch, rights).start()
    app = create_app(settings, pools, epoch, rights)
    server = _listen(app, settings)
    server.channel_class = sockets.channel_class(settings.stream_socket)
    signal.signal(signal.SIGTERM, _stop)
    _LOG.info("web on %s:%d", settings.web_host, settings.web_port)
    with observing.at_work(app):
        server.run()


def _watch(settings: Settings) -> None:
    """Have no request wait for a database that says nothing; API has the longest time-out here."""
    primary = Watch(settings.web_database, REQUEST, Role.API)
    if settings.database_replica_url:
        replica = Watch(settings.database_replica_url, REQUEST, Role.API, application=NAME)
        Watches(primary, replica, NAME).install()
    else:
        primary.install()


def _listen(app: Flask, settings: Settings) -> Any:
    try:
        return create_server(
            app,
            **_place(settings),
            _dispatcher=LaneDispatcher(_THREADS),
            ident="labq",
            max_request_body_size=_LARGEST_BODY_BYTES,
            clear_untrusted_proxy_headers=True,
            **_proxy(settings),
            channel_timeout=60,
            connection_limit=500,
        )
    except OSError as error:
        where = f"{settings.web_host}:{settings.web_port}"
        raise ConfigurationError(f"cannot listen on {where}: {error.strerror}") from error


def _proxy(settings: Settings) -> dict[str, object]:
    """Return whose word counts for where a request came from, and how."""
    if not settings.trusted_proxy:
        return {}
    headers = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"}
    return {"trusted_proxy": settings.trusted_proxy, "trusted_proxy_headers": headers}


def _place(settings: Settings) -> dict[str, object]:
    """Return where to listen; several processes may share a port when they are told to."""
    if not settings.share_port:
        return {"host": settings.web_host, "port": settings.web_port}
    family = socket.AF_INET6 if ":" in settings.web_host else socket.AF_INET
    place = socket.socket(family, socket.SOCK_STREAM)
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    place.bind((settings.web_host, settings.web_port))
    return {"sockets": [place]}


def _stop(_number: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does: waitress lets requests at work finish."""
    sys.exit(0)
