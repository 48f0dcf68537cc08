"""How hosts join: an admin makes a code, the host exchanges it, an admin cuts the host off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis
from pydantic import AwareDatetime, Field

from labq.domain.errors import InfrastructureError
from labq.services import enrolments, host_setup, redis_access
from labq.services.enrolments import Joining
from labq.services.host_setup import HostSetup
from labq.services.transitions import By
from labq.web.endpoint import Call, Endpoint, Level
from labq.web.parsing import Input, Text

REDIS_SECONDS = 0.8
"""A request that cannot be served is answered within a second."""
_HOUR = 3600


class CodeBody(Input):
    """How long the code is good."""

    ttl_seconds: int = Field(default=_HOUR, ge=1, le=30 * 24 * _HOUR)


class HostBody(Input):
    """What a host says of itself: its clock, its name, and until when it could trust the server."""

    clock: AwareDatetime
    machine: Text = Field(default="", max_length=200)


class JoinBody(HostBody):
    """A host that joins."""

    code: Text = Field(min_length=1, max_length=200)


class RenewBody(HostBody):
    """A host that has joined."""

    credential: Text = Field(min_length=1, max_length=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What the command on the host's machine needs."""

    host: str
    code: str
    expires_at: datetime
    ca_sha256: str
    redis_url: str
    public_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whom a host may trust, once it compared the SHA-256 with the one in its command."""

    certificate: str
    sha256: str
    clock: datetime


def invite(call: Call, host: str, body: CodeBody) -> Invitation:
    """Make a code."""
    place = host_setup.redis_place(call.settings)
    authority = host_setup.find_authority(call.settings)
    with _redis(call) as client:
        made = enrolments.invite(
            call.session, client, host, now=call.now, ttl=timedelta(seconds=body.ttl_seconds)
        )
    return Invitation(
        host=made.host,
        code=made.code,
        expires_at=made.expires_at,
        ca_sha256=authority.sha256,
        redis_url=place.geturl(),
        public_url=call.settings.public_url,
    )


def trust(call: Call) -> Trust:
    """Return the certificate that hosts trust, and the server's clock."""
    authority = host_setup.find_authority(call.settings)
    return Trust(certificate=authority.certificate, sha256=authority.sha256, clock=call.now)


def join(call: Call, body: JoinBody) -> HostSetup:
    """Exchange a code."""
    call.login_limit.count("host join")
    with _redis(call) as client:
        joined = enrolments.join(call.session, client, body.code, _of(call, body), now=call.now)
    call.login_limit.forget("host join")
    return host_setup.set_up(call.settings, joined)


def renew(call: Call, body: RenewBody) -> HostSetup:
    """Give a host new secrets."""
    with _redis(call) as client:
        joined = enrolments.renew(call.session, client, body.credential, _of(call, body))
    return host_setup.set_up(call.settings, joined)


def revoke(call: Call, host: str) -> None:
    """Cut a host off."""
    by = By(call.viewer.name, call.now, "cut off")
    with _redis(call) as client:
        enrolments.revoke(call.session, client, host, by)


def _of(call: Call, body: HostBody) -> Joining:
    authority = host_setup.find_authority(call.settings)
    return Joining(clock=body.clock, machine=body.machine, ca_expires_at=authority.expires_at)


@contextmanager
def _redis(call: Call) -> Iterator[redis.Redis]:
    """Give an admin's client; raises InfrastructureError when Redis does not answer."""
    try:
        with redis_access.connect(call.settings.redis_url, REDIS_SECONDS) as client:
            yield client
    except (redis.RedisError, OSError) as error:
        raise InfrastructureError(f"Redis does not answer: {error}") from error


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/hosts/<host>/enrolment",
        summary="Make a single-use code with which a machine joins as this host; a new host is made",
        run=invite,
        level=Level.ADMIN,
        body=CodeBody,
        answer=Invitation,
        status=201,
    ),
    Endpoint(
        method="DELETE",
        path="/hosts/<host>/enrolment",
        summary="Cut a host off: its Redis user, credential and code are void, it gets no work",
        run=revoke,
        level=Level.ADMIN,
        status=204,
    ),
    Endpoint(
        method="GET",
        path="/enrolment",
        summary="Show the certificate that hosts trust, and the server's clock",
        run=trust,
        answer=Trust,
    ),
    Endpoint(
        method="POST",
        path="/enrolment/join",
        summary="Exchange a code for what a host needs; done by `labq host join`",
        run=join,
        body=JoinBody,
        answer=HostSetup,
        status=201,
    ),
    Endpoint(
        method="POST",
        path="/enrolment/renew",
        summary="Exchange a host's credential for new secrets; done by `labq host renew`",
        run=renew,
        body=RenewBody,
        answer=HostSetup,
    ),
)
