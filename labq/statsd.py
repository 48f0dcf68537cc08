"""The one timing client: statsd over UDP when LABQ_STATSD_HOST is set, else nothing happens.

Names: `labq.<what>.<of what>`, made of letters, digits, `-` and `_`; `segment` makes one of any text.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

PREFIX = "labq"
_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_LOG = logging.getLogger(__name__)


class StatsdSettings(Protocol):
    """What of the settings says where figures go."""

    @property
    def statsd_host(self) -> str: ...
    @property
    def statsd_port(self) -> int: ...


class _Packet(Protocol):
    def timing(self, stat: str, delta: float) -> None: ...
    def send(self) -> None: ...


class _Client(Protocol):
    def pipeline(self) -> _Packet: ...
    def timing(self, stat: str, delta: float) -> None: ...
    def incr(self, stat: str, count: int) -> None: ...
    def gauge(self, stat: str, value: float) -> None: ...
    def close(self) -> None: ...


class _Sink:
    """Where this process sends to; like a logger, one for the whole process."""

    client: _Client | None = None


_SINK = _Sink()


def setup(settings: StatsdSettings) -> None:
    """Send to the host of the settings from now on; without one, or an unknown one, send nothing."""
    if _SINK.client is not None:
        _SINK.client.close()
    _SINK.client = None
    if not settings.statsd_host:
        return
    import statsd  # type: ignore[import-untyped]  # noqa: PLC0415 - the package ships no types

    try:
        _SINK.client = statsd.StatsClient(settings.statsd_host, settings.statsd_port, prefix=PREFIX)
    except OSError as error:
        _LOG.warning("no figures are sent: statsd host %s: %s", settings.statsd_host, error)


def segment(text: str) -> str:
    """Return `text` as one part of a name, e.g. a device type; dots and blanks become `_`."""
    return _UNSAFE.sub("_", text) or "_"


def timing(name: str, ms: float) -> None:
    """Send a duration in milliseconds."""
    checked = _checked(name)
    if _SINK.client is not None:
        _SINK.client.timing(checked, ms)


def timings(values: Mapping[str, float]) -> None:
    """Send several durations in milliseconds in one packet, which costs as much as one of them."""
    checked = {_checked(name): ms for name, ms in values.items()}
    if _SINK.client is not None:
        packet = _SINK.client.pipeline()
        for name, ms in checked.items():
            packet.timing(name, ms)
        packet.send()


def incr(name: str, count: int = 1) -> None:
    """Send that something happened `count` times."""
    checked = _checked(name)
    if _SINK.client is not None:
        _SINK.client.incr(checked, count)


def gauge(name: str, value: float) -> None:
    """Send a present value."""
    checked = _checked(name)
    if _SINK.client is not None:
        _SINK.client.gauge(checked, value)


@contextmanager
def timer(name: str) -> Iterator[None]:
    """Send how long the block took, also when it raised."""
    started = time.perf_counter()
    try:
        yield
    finally:
        timing(name, (time.perf_counter() - started) * 1000)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        message = f"not a name of a figure: {name!r}"
        raise ValueError(message)
    return name
