"""Hosts that join: a single-use code is made, exchanged for what the host needs, and made void."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis
from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    Problem,
)
from labq.domain.figures import describe_seconds
from labq.domain.names import check_host_name
from labq.domain.states import HostHealth, HostState
from labq.models.enrolment import Enrolment
from labq.models.host import Host
from labq.services import hosts, losses, redis_access, transitions
from labq.services.credentials import digest, new_secret
from labq.services.transitions import By

LARGEST_DIFFERENCE = timedelta(minutes=2)
"""How far the clocks of server and host may be apart: times of events and certificates depend on it."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCode:
    """A code just made: it is shown this once."""

    host: str
    code: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """What a host says of itself, and until when it can trust the certificate that it gets."""

    clock: datetime
    machine: str
    ca_expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What a host got for its code; of both secrets the server keeps hashes only."""

    host: str
    user: str
    password: str
    credential: str


def invite(
    session: Session, client: redis.Redis, name: str, *, now: datetime, ttl: timedelta
) -> NewCode:
    """Make a code for a host, which is made known if it is new; an earlier code is void by it.

    Tries first whether the host could get its Redis user. Raises InvalidInputError for a name that
    no host can have, ConflictError when the host has joined, and like `redis_access.allow`.
    """
    check_host_name(name)
    if session.get(Host, name) is None:
        hosts.add(session, name)
    row = _lock(session, name)
    if row and row.joined_at and not row.revoked_at:
        raise ConflictError(
            f"host {name} joined on {row.joined_at:%Y-%m-%d %H:%M} from {row.joined_from}: "
            f"`labq host revoke {name}` first, or take another name"
        )
    redis_access.rehearse(client, name)
    if row is None:
        row = Enrolment(host=name)
        session.add(row)
    code = f"{name}:{new_secret()}"
    row.code_digest, row.code_expires_at, row.created_at = digest(code), now + ttl, now
    row.joined_at = row.revoked_at = None
    session.flush()
    return NewCode(host=name, code=code, expires_at=now + ttl)


def join(
    session: Session, client: redis.Redis, code: str, host: Joining, *, now: datetime
) -> Joined:
    """Exchange a code, which is used up by it.

    Raises ForbiddenError for a code that is unknown or expired, ConflictError for one that was
    used, InvalidInputError when the host's clock is wrong (the code stays good), and like
    `redis_access.allow`.
    """
    _check_clock(host.clock, now)
    row = _of_code(session, code, now)
    joined = _give(row, client)
    row.joined_at, row.joined_from, row.ca_expires_at = now, host.machine, host.ca_expires_at
    _bring_back(session, row.host, now)
    return joined


def renew(session: Session, client: redis.Redis, credential: str, host: Joining) -> Joined:
    """Give a host new secrets for its credential; the earlier ones are void.

    Raises ForbiddenError for a credential that is not good.
    """
    query = select(Enrolment).where(Enrolment.credential_digest == digest(credential))
    row = session.scalar(query.with_for_update())
    if row is None or row.revoked_at:
        raise ForbiddenError("the credential of this host is not good: it was revoked or renewed")
    row.joined_from, row.ca_expires_at = host.machine, host.ca_expires_at
    return _give(row, client)


def adopt(
    session: Session, client: redis.Redis, host: str, *, machine: str, now: datetime
) -> Joined:
    """Let the host of the server's own machine join, without a code."""
    row = _lock(session, host)
    if row is None:
        row = Enrolment(host=host, created_at=now, joined_at=now)
        session.add(row)
    row.joined_from, row.joined_at, row.revoked_at = machine, row.joined_at or now, None
    return _give(row, client)


def revoke(session: Session, client: redis.Redis, name: str, by: By) -> None:
    """Cut a host off: its Redis user and connections, its credential and its code are void.

    It is retired, so that nothing is scheduled there. Its runs end as infrastructure failures, their
    devices stay held until somebody releases them. Where Redis does not answer the leader removes the
    user later. Raises NotFoundError.
    """
    hosts.set_health(session, name, HostHealth.RETIRED, by)
    row = _lock(session, name)
    if row is None:
        raise NotFoundError(f"host {name} has not joined and has no code")
    row.code_digest = row.redis_hash = row.credential_digest = None
    row.revoked_at = by.at
    (host,) = transitions.lock(session, Host, [name])
    if host.state is HostState.ONLINE:
        transitions.move_host(session, host, HostState.OFFLINE, by)
    losses.give_up_host(session, name, f"host {name} was cut off", by)
    try:
        redis_access.refuse(client, name)
    except redis.RedisError as error:
        log.warning("the Redis user of host %s is removed later: %s", name, error)


def expected(session: Session) -> dict[str, str | None]:
    """Return the password hash of each host that joined, None for those that were cut off.

    What is just being exchanged is waited for.
    """
    query = select(Enrolment.host, Enrolment.redis_hash, Enrolment.revoked_at)
    rows = session.execute(query.with_for_update(read=True))
    return {
        host: None if revoked_at else redis_hash
        for host, redis_hash, revoked_at in rows
        if redis_hash or revoked_at
    }


def _check_clock(clock: datetime, now: datetime) -> None:
    difference = abs(clock - now)
    if difference > LARGEST_DIFFERENCE:
        text = (
            f"the host's clock says {clock:%Y-%m-%d %H:%M:%S} UTC, the server's "
            f"{now:%Y-%m-%d %H:%M:%S} UTC: they are {describe_seconds(difference.total_seconds())} "
            "apart; set the wrong one (`timedatectl` shows it) and join again with the same code"
        )
        raise InvalidInputError([Problem("clock", text)])


def _of_code(session: Session, code: str, now: datetime) -> Enrolment:
    query = select(Enrolment).where(Enrolment.code_digest == digest(code)).with_for_update()
    row = session.scalar(query)
    if row is None:
        raise ForbiddenError(
            "the server knows no such code: copy all of it, or make a new one with `labq host enroll`"
        )
    if row.joined_at:
        raise ConflictError(
            f"the code was used already: host {row.host} joined with it on "
            f"{row.joined_at:%Y-%m-%d %H:%M} UTC from {row.joined_from}"
        )
    if row.code_expires_at is None or row.code_expires_at <= now:
        raise ForbiddenError(
            f"the code of host {row.host} expired on {row.code_expires_at:%Y-%m-%d %H:%M} UTC: "
            f"make a new one with `labq host enroll {row.host}`"
        )
    return row


def _give(row: Enrolment, client: redis.Redis) -> Joined:
    password, credential = new_secret(), new_secret()
    row.redis_hash, row.credential_digest = redis_access.hash_of(password), digest(credential)
    redis_access.allow(client, row.host, row.redis_hash)
    return Joined(
        host=row.host,
        user=redis_access.user_of(row.host),
        password=password,
        credential=credential,
    )


def _bring_back(session: Session, name: str, now: datetime) -> None:
    """Give a host work again that was retired when it was cut off."""
    (host,) = transitions.lock(session, Host, [name])
    if host.health is HostHealth.RETIRED:
        by = By(f"host {name}", now, "it joined again")
        transitions.set_host_health(session, host, HostHealth.ACTIVE, by)


def _lock(session: Session, host: str) -> Enrolment | None:
    query = select(Enrolment).where(Enrolment.host == host).with_for_update()
    return session.scalar(query)
