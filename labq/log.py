"""Logging to standard error, one line a record with its context; errors to Sentry with a DSN."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from typing_extensions import override

from labq import __version__

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

LIBRARIES = ("celery", "kombu", "amqp", "httpx", "httpcore", "waitress", "alembic", "urllib3")
"""Loggers that speak at WARNING and above only: labq says itself what it does."""

_CONTEXT: ContextVar[Mapping[str, str]] = ContextVar("labq.log", default={})  # noqa: B039 - never changed in place


class LogSettings(Protocol):
    """What of the settings says how to log."""

    @property
    def log_level(self) -> str: ...
    @property
    def sentry_dsn(self) -> str: ...
    @property
    def sentry_environment(self) -> str: ...


def context() -> Mapping[str, str]:
    """Return what is bound at this point: some of job, run, device, host, request."""
    return _CONTEXT.get()


@contextmanager
def bound(**values: str | int | None) -> Iterator[None]:
    """Add names (job, run, device, host, request) to each record and error within the block."""
    known = {name: str(value) for name, value in values.items() if value is not None}
    token = _CONTEXT.set({**_CONTEXT.get(), **known})
    try:
        yield
    finally:
        _CONTEXT.reset(token)


def setup(part: str, settings: LogSettings) -> None:
    """Make this process log as `part`; called once, after the fork. Replaces earlier handlers."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(part))
    logging.basicConfig(level=_level(settings.log_level), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    if settings.sentry_dsn:
        _start_sentry(part, settings)


class LineFormatter(logging.Formatter):
    """`<time> <LEVEL> <part> [name=value ...] <message>`; a traceback follows, indented."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part

    @override
    def format(self, record: logging.LogRecord) -> str:
        stamp = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        bound_here = "".join(f"{name}={value} " for name, value in context().items())
        message = _one_line(record.getMessage())
        line = f"{stamp} {record.levelname:<7} {self._part} {_one_line(bound_here)}{message}"
        if not record.exc_info:
            return line
        trace = self.formatException(record.exc_info).replace("\n", "\n    ")
        return f"{line}\n    {trace}"


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _level(name: str) -> int:
    return logging.getLevelNamesMapping().get(name.upper(), logging.INFO)


def _start_sentry(part: str, settings: LogSettings) -> None:
    """Import and start Sentry; local variables stay here, for they may hold a job's secrets."""
    import sentry_sdk  # noqa: PLC0415 - costs nothing without a DSN
    from sentry_sdk.integrations.atexit import AtexitIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.dedupe import DedupeIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.excepthook import ExcepthookIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.logging import LoggingIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.threading import ThreadingIntegration  # noqa: PLC0415

    sentry_sdk.init(
        dsn=settings.sentry_dsn,
        release=f"labq@{__version__}",
        environment=settings.sentry_environment,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            AtexitIntegration(callback=lambda _pending, _timeout: None),
            DedupeIntegration(),
            ExcepthookIntegration(),
            LoggingIntegration(),
            ThreadingIntegration(),
        ],
        include_local_variables=False,
        auto_session_tracking=False,
        before_send=_with_tags,
    )
    sentry_sdk.set_tag("part", part)


def _with_tags(event: Event, hint: Hint) -> Event:  # noqa: ARG001 - Sentry's protocol
    event["tags"] = {**(event.get("tags") or {}), **context()}
    return event
