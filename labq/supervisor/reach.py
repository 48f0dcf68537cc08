"""Whether a host reaches its server's Redis, said in words that name what to do when it does not."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

import redis

from labq.bench.claim import LEASE_SECONDS, Claim
from labq.config import Settings
from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError

# A machine that went down without a word keeps its claim that long.
PATIENCE_SECONDS = LEASE_SECONDS + 3.0
# The server makes lost users again within seconds.
USER_SECONDS = 6.0
POLL_SECONDS = 0.5
CLOCK_SECONDS = 5.0


def claim(settings: Settings, say: Callable[[str], None]) -> Claim:
    """Claim the host for this machine; without Redis it is claimed later.

    Raises InfrastructureError when another machine has it, when Redis does not know its user, or
    shows a certificate that cannot be trusted: all of them may pass.
    """
    made = Claim(settings.redis_url, settings.host, settings.bench_folder)
    deadline = Deadline.after(USER_SECONDS)
    while True:
        try:
            made.take(PATIENCE_SECONDS)
            return made
        except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as error:
            if deadline.is_over():
                raise InfrastructureError(_refused(settings, error)) from error
            time.sleep(POLL_SECONDS)
        except redis.RedisError as error:
            if "certificate" in str(error).lower():
                raise InfrastructureError(_untrusted(settings, error)) from error
            say(f"Redis does not answer, the host starts without it: {error}")
            return made


def _refused(settings: Settings, error: redis.RedisError) -> str:
    return (
        f"Redis does not let host {settings.host} in ({error}): it was cut off, or joined again "
        f"elsewhere; `labq host enroll {settings.host}` on the server prints the command to join anew"
    )


def _untrusted(settings: Settings, error: redis.RedisError) -> str:
    here, there = datetime.now(UTC), server_clock(settings.server_url)
    clocks = f"the clock of this machine says {here:%Y-%m-%d %H:%M:%S} UTC"
    if there is not None:
        clocks += f", the server's {there:%Y-%m-%d %H:%M:%S} UTC"
    return (
        f"the certificate of Redis cannot be trusted: {error}; {clocks}. If the clocks disagree, set "
        "the wrong one; if they agree, the server needs a new certificate (`labq host certificate` "
        "there), or this host the server's present authority (`labq host renew` here)"
    )


def server_clock(url: str) -> datetime | None:
    """Return what time the server has, to tell people; None when it does not say.

    The certificate is not looked at: it may well be the clock that makes it look wrong.
    """
    parts = urlsplit(url)
    if not parts.hostname:
        return None
    link: HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        link = HTTPSConnection(parts.hostname, parts.port, timeout=CLOCK_SECONDS, context=context)
    else:
        link = HTTPConnection(parts.hostname, parts.port, timeout=CLOCK_SECONDS)
    try:
        link.request("HEAD", "/api/v1/enrolment")
        date = link.getresponse().getheader("Date")
        return parsedate_to_datetime(date) if date else None
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        link.close()
