"""The stream process."""

from __future__ import annotations

import asyncio
import logging
import signal

from aiohttp import web

from labq import log, statsd
from labq.config import Settings, load
from labq.domain.errors import ConfigurationError
from labq.metrics.ledger.process import observe
from labq.services.database import Role, make_engine
from labq.services.silence import REQUEST, Watch
from labq.stream.app import make_app
from labq.stream.handed_over import Taker

_LOG = logging.getLogger(__name__)
_SHUTDOWN_SECONDS = 1.0


def main() -> None:
    """Serve until SIGTERM or SIGINT; raises ConfigurationError."""
    settings = load()
    log.setup("stream", settings)
    statsd.setup(settings)
    observe("stream", settings)
    if not settings.web_database:
        raise ConfigurationError("LABQ_DATABASE_URL is not set")
    if not settings.secret_key:
        raise ConfigurationError("LABQ_SECRET_KEY is not set: tickets need it")
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    Watch(settings.web_database, REQUEST, Role.STREAM).install()
    engine = make_engine(settings.web_database, Role.STREAM)
    runner = web.AppRunner(
        make_app(settings, engine),
        access_log=None,
        shutdown_timeout=_SHUTDOWN_SECONDS,
        handler_cancellation=True,
    )
    await runner.setup()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    taker = Taker(settings.stream_socket, runner.server) if runner.server else None
    try:
        await _listen(runner, settings)
        if taker is not None:
            taker.open()
        _LOG.info("streams on %s:%d", settings.web_host, settings.stream_port)
        await stopped.wait()
    finally:
        if taker is not None:
            taker.close()
        await runner.cleanup()
        engine.dispose()


async def _listen(runner: web.AppRunner, settings: Settings) -> None:
    try:
        await web.TCPSite(runner, settings.web_host, settings.stream_port).start()
    except OSError as error:
        where = f"{settings.web_host}:{settings.stream_port}"
        raise ConfigurationError(f"cannot listen on {where}: {error.strerror}") from error
