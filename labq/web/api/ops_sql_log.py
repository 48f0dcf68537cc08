"""The switch that lets all processes log their statements for a while."""

from __future__ import annotations

import logging

from pydantic import Field

from labq.metrics.ledger import switch
from labq.metrics.ledger.switch import LONGEST_MINUTES, SqlLog
from labq.web import observing
from labq.web.endpoint import Call, Endpoint, Level
from labq.web.parsing import Input

_LOG = logging.getLogger(__name__)


class SwitchBody(Input):
    """On or off, and for how long."""

    is_on: bool
    minutes: int = Field(default=5, ge=1, le=LONGEST_MINUTES, description="when turned on")


def show(call: Call) -> SqlLog:
    """Tell how the switch stands."""
    observer = observing.current()
    return switch.find(observer.ledger, observer.redis, call.now)


def change(call: Call, body: SwitchBody) -> SqlLog:
    """Turn the log of statements on or off."""
    observer = observing.current()
    _LOG.info("%s turns the log of SQL %s", call.viewer.name, "on" if body.is_on else "off")
    if body.is_on:
        return switch.turn_on(observer.ledger, observer.redis, call.now, body.minutes)
    return switch.turn_off(observer.ledger, observer.redis)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/ops/sql-log",
        summary="Tell whether statements are logged, and until when",
        run=show,
        level=Level.ADMIN,
        answer=SqlLog,
    ),
    Endpoint(
        method="POST",
        path="/ops/sql-log",
        summary="Log all statements for some minutes, or stop it",
        run=change,
        level=Level.ADMIN,
        body=SwitchBody,
        answer=SqlLog,
    ),
)
