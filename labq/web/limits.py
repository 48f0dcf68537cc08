"""How often somebody may do something, counted in Redis: requests for lists, attempts to log in."""

from __future__ import annotations

import hashlib
import logging
import math
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import redis
from flask import Response, g, request
from redis.commands.core import Script

from labq.config import Settings
from labq.domain.deadline import monotonic
from labq.domain.errors import TooManyRequestsError

_LOG = logging.getLogger(__name__)
MOST_ATTEMPTS = 10
WINDOW_SECONDS = 300
BURST_SECONDS = 10
"""How many seconds' worth of requests may come at once."""
REDIS_SECONDS = 0.25
PAUSE_SECONDS = 2.0
"""How long Redis is left alone after it did not answer: no request waits for it meanwhile."""
LIMITED = frozenset(
    {
        "api.jobs.index",
        "api.cases.index",
        "api.jobs.count",
        "api.queue.index",
        "api.queue.show",
        "api.job_results.show",
        "api.artifacts.index",
        "api.archive.jobs",
        "api.archive.show",
        "api.devices.index",
        "api.device_types.index",
        "api.hosts.index",
        "api.users.index",
        "api.groups.index",
        "rest.jobs.index",
        "rest.job_results.tests",
        "rest.job_results.suite_tests",
        "rest.job_results.junit",
        "rest.job_results.tap13",
        "rest.job_results.csv",
        "rest.job_results.as_yaml",
        "rest.devices.index",
        "rest.device_types.index",
        "rest.workers.index",
        "rpc.scheduler.jobs.list",
        "rpc.scheduler.jobs.queue",
        "rpc.scheduler.all_jobs",
        "rpc.scheduler.get_recent_jobs_for_device",
        "rpc.scheduler.get_recent_jobs_for_device_type",
        "rpc.scheduler.devices.list",
        "rpc.scheduler.all_devices",
        "rpc.scheduler.all_device_types",
        "rpc.scheduler.validate_pipeline_devices",
        "rpc.scheduler.device_types.list",
        "rpc.scheduler.workers.list",
        "rpc.results.get_testjob_results_yaml",
        "rpc.results.get_testjob_results_csv",
        "rpc.results.get_testsuite_results_yaml",
        "rpc.results.get_testsuite_results_csv",
        "pages.overview.overview",
        "pages.jobs.jobs",
        "pages.queue.queue",
        "pages.results.results",
        "pages.job_results.results",
        "pages.devices.devices",
        "pages.device.device",
        "pages.device_type.device_type",
        "pages.hosts.hosts",
        "pages.host.host",
    }
)
"""Lists and reports: what may be large to find. Single things, logs and changes are not limited."""
# A bucket as the moment at which it is empty again (GCRA): one key, one number of microseconds.
_SPEND = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local gap, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local empty = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local later = empty + gap
if later - now > burst then return {0, later - now - burst, empty - now} end
redis.call('SET', KEYS[1], string.format('%.0f', later), 'PX', math.ceil((later - now) / 1000))
return {1, 0, later - now}
"""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a limit after a request: of `rate` a second, `left` at once, all after `full`."""

    rate: float
    left: int
    full_seconds: int

    def describe(self) -> tuple[tuple[str, str], ...]:
        """Return the headers RateLimit-Policy and RateLimit (IETF, httpapi-ratelimit-headers)."""
        quota = math.ceil(self.rate * BURST_SECONDS)
        return (
            ("RateLimit-Policy", f'"lists";q={quota};w={BURST_SECONDS}'),
            ("RateLimit", f'"lists";r={self.left};t={self.full_seconds}'),
        )


class RequestLimit:
    """Counts requests for lists and reports by token or session, and by the address of others.

    Without Redis all pass. An address of this machine is not limited: behind a proxy that
    LABQ_TRUSTED_PROXY does not name, it is everybody's.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = redis.Redis.from_url(
            settings.redis_url, socket_connect_timeout=REDIS_SECONDS, socket_timeout=REDIS_SECONDS
        )
        self._spend: Script = self._client.register_script(_SPEND)
        self._silent_until = 0.0

    def admit_address(self, name: str) -> None:
        """Count an anonymous request for what is called `name`; raises TooManyRequestsError."""
        place = _place_of(request.remote_addr or "")
        if name in LIMITED and place is not None:
            self._admit(f"address {place}", self._settings.anonymous_rate)

    def admit_credential(self, name: str, secret: str) -> None:
        """Count a request with a good token or session; raises TooManyRequestsError."""
        if name in LIMITED:
            self._admit(f"secret {secret}", self._settings.token_rate)

    def _admit(self, who: str, rate: float) -> None:
        now = monotonic()
        if not rate or now < self._silent_until:
            return
        gap_seconds = 1 / rate
        burst_seconds = max(BURST_SECONDS, gap_seconds)
        try:
            allowed, wait, debt = self._spend(
                keys=[_key("rate", who)],
                args=[round(gap_seconds * 1e6), round(burst_seconds * 1e6)],
            )
        except redis.RedisError as error:
            self._silent_until = now + PAUSE_SECONDS
            _LOG.warning("requests are not counted: %s", error)
            return
        left = int((burst_seconds - debt / 1e6) * rate)
        g.allowance = Allowance(rate, left, math.ceil(debt / 1e6))
        if not allowed:
            seconds = max(1, math.ceil(wait / 1e6))
            message = (
                f"more than {rate:g} requests a second for lists: wait {seconds} s; to follow a job, "
                "ask for that job, its log or the event stream, which are not limited"
            )
            raise TooManyRequestsError(message, retry_after_seconds=seconds)


def tell(response: Response) -> Response:
    """Add what is left of the caller's limit to the headers, where one was looked at."""
    if "allowance" in g:
        response.headers.extend(g.allowance.describe())
    return response


class LoginLimit:
    """Counts attempts; a good one starts again from nothing.

    Without Redis all attempts pass: password hashes are checked one at a time, so that guessing
    stays slow, and an admin can log in to see what is wrong.
    """

    def __init__(self, redis_url: str) -> None:
        self._client = redis.Redis.from_url(
            redis_url, socket_connect_timeout=REDIS_SECONDS, socket_timeout=REDIS_SECONDS
        )

    def count(self, name: str) -> None:
        """Count an attempt; raises TooManyRequestsError when there were too many."""
        key = _login_key(name)
        try:
            with self._client.pipeline() as pipeline:
                pipeline.incr(key)
                pipeline.expire(key, WINDOW_SECONDS, nx=True)
                pipeline.ttl(key)
                attempts, _, left = pipeline.execute()
        except redis.RedisError as error:
            _LOG.warning("log-in attempts are not counted: %s", error)
            return
        if attempts > MOST_ATTEMPTS:
            message = f"too many attempts to log in: try again in {left} s"
            raise TooManyRequestsError(message, retry_after_seconds=max(left, 1))

    def forget(self, name: str) -> None:
        """Forget the attempts after a good one."""
        try:
            self._client.delete(_login_key(name))
        except redis.RedisError as error:
            _LOG.warning("log-in attempts are not forgotten: %s", error)


def _login_key(name: str) -> str:
    return _key("login", f"{name}\n{request.remote_addr}")


def _key(purpose: str, who: str) -> str:
    return f"labq.{purpose}.{hashlib.sha256(who.encode()).hexdigest()}"


def _place_of(text: str) -> str | None:
    """Return an address, for IPv6 the network of one subscriber; None for this machine."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if address.is_loopback:
        return None
    return text if address.version == 4 else str(ip_network((text, 64), strict=False))
