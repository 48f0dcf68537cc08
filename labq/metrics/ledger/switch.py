"""The switch that lets all processes log their statements for some minutes. It lies in Redis."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis

from labq.metrics.ledger import keys
from labq.metrics.ledger.clock import moment
from labq.metrics.ledger.courier import until_of
from labq.metrics.ledger.ledger import Ledger

LONGEST_MINUTES = 240
REDIS_ERRORS = (redis.RedisError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlLog:
    """Whether statements are logged; `is_everywhere` is false when only this process could be told."""

    is_on: bool
    until: datetime | None
    is_everywhere: bool


def turn_on(ledger: Ledger, client: redis.Redis, now: datetime, minutes: int) -> SqlLog:
    """Log from now on: here at once, in other processes within seconds."""
    until = now + timedelta(minutes=minutes)
    ledger.sql_log_until = until.timestamp()
    value = json.dumps({"until": until.timestamp()})
    try:
        client.set(keys.SQL_LOG, value, ex=minutes * 60)
    except REDIS_ERRORS:
        return SqlLog(is_on=True, until=until, is_everywhere=False)
    return SqlLog(is_on=True, until=until, is_everywhere=True)


def turn_off(ledger: Ledger, client: redis.Redis) -> SqlLog:
    """Log no more."""
    ledger.sql_log_until = 0.0
    try:
        client.delete(keys.SQL_LOG)
    except REDIS_ERRORS:
        return SqlLog(is_on=False, until=None, is_everywhere=False)
    return SqlLog(is_on=False, until=None, is_everywhere=True)


def find(ledger: Ledger, client: redis.Redis, now: datetime) -> SqlLog:
    """Return how the switch stands."""
    try:
        until, is_everywhere = until_of(client.get(keys.SQL_LOG)), True
    except REDIS_ERRORS:
        until, is_everywhere = ledger.sql_log_until, False
    is_on = until > now.timestamp()
    return SqlLog(is_on=is_on, until=moment(until) if is_on else None, is_everywhere=is_everywhere)
