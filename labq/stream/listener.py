"""The one LISTEN connection: NOTIFY payloads to a callback, and a new connection when it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class with a small name
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

_LOG = logging.getLogger(__name__)
_LONGEST_PAUSE_SECONDS = 1.0
_PROVE_SECONDS = 10.0


class Listener:
    """Calls `on_notify(channel, payload)`; `on_connect()` after each new connection."""

    def __init__(
        self,
        engine: Engine,
        channels: Sequence[str],
        *,
        on_notify: Callable[[str, str], None],
        on_connect: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._channels = channels
        self._on_notify = on_notify
        self._on_connect = on_connect

    async def run(self) -> None:
        """Listen until canceled."""
        pause = 0.1
        while True:
            try:
                raw = await asyncio.to_thread(self._open)
            except (SQLAlchemyError, psycopg2.Error) as error:
                _LOG.warning("the database does not answer: %s", str(error).strip())
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                continue
            pause = 0.1
            self._on_connect()
            await self._follow(raw)

    def _open(self) -> Connection:
        pooled = self._engine.raw_connection()
        raw = pooled.driver_connection
        pooled.detach()
        if not isinstance(raw, Connection):
            message = f"not a connection of psycopg2: {raw!r}"
            raise TypeError(message)
        raw.autocommit = True
        with raw.cursor() as cursor:
            for channel in self._channels:
                cursor.execute(f"LISTEN {channel}")
        return raw

    async def _follow(self, raw: Connection) -> None:
        """Pass notifications on until the connection breaks, or is found to be dead."""
        loop = asyncio.get_running_loop()
        broken = asyncio.Event()
        # Kept: a broken connection does not know its descriptor any more.
        descriptor = raw.fileno()

        def take() -> None:
            try:
                raw.poll()
            except psycopg2.Error as error:
                _LOG.warning("the database went away: %s", str(error).strip())
                loop.remove_reader(descriptor)
                broken.set()
                return
            self._pass_on(raw)

        try:
            while not broken.is_set():
                await asyncio.to_thread(_prove, raw)
                loop.add_reader(descriptor, take)
                # What came before there was a reader stands in the connection already.
                take()
                await _wait(broken, _PROVE_SECONDS)
                if not broken.is_set():
                    loop.remove_reader(descriptor)
        except psycopg2.Error as error:
            _LOG.warning("the database does not answer: %s", str(error).strip())
        except asyncio.CancelledError:
            loop.remove_reader(descriptor)
            raise
        finally:
            raw.close()

    def _pass_on(self, raw: Connection) -> None:
        told, raw.notifies[:] = list(raw.notifies), []
        for notify in told:
            self._on_notify(notify.channel, notify.payload)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _prove(raw: Connection) -> None:
    """Raise when the connection is dead: one that the network has swallowed stays silent for ever."""
    with raw.cursor() as cursor:
        cursor.execute("SELECT 1")
