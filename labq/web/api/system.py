"""The server itself: health, version, who one is, and logging in for a token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import Response
from pydantic import Field, TypeAdapter

from labq import __version__
from labq.services import backfills, logins, schema, tokens, upgrades
from labq.services.backfills import Progress
from labq.services.parts import SERVER_PARTS
from labq.services.replica import Standing
from labq.services.system import Load, PartHealth
from labq.services.tokens import NewToken
from labq.web.endpoint import JSON, Call, Endpoint
from labq.web.parsing import Input, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The server's parts; the answer is 503 unless all but hosts are well.

    Without a database nothing is known of conductor and hosts, and `load` is null. `replica` is null
    where there is none; one that is not used makes nothing unwell, for the database itself is read.
    """

    is_well: bool
    parts: tuple[PartHealth, ...]
    load: Load | None
    replica: Standing | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What runs here."""

    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoAmI:
    """Whom the token or the session belongs to; the name is null for an anonymous caller."""

    name: str | None
    is_admin: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemUpgrade:
    """An upgrade of the schema that runs; who does it and what it does now is for admins."""

    found: str
    target: str
    pauses_scheduling: bool
    began_at: datetime
    holder: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """The version, the schema it needs, and how the schema moves; back-fills are for admins."""

    version: str
    schema: str
    upgrade: SystemUpgrade | None
    backfills: tuple[Progress, ...]


class LoginBody(Input):
    """Name and password for a token, and what the token is for."""

    name: Text = Field(max_length=100)
    password: Text
    description: Text = Field(default="labq login", min_length=1, max_length=150)


_HEALTH = TypeAdapter(Health)


def health(call: Call) -> Response:
    """Tell how each part is."""
    state = call.parts.look()
    is_well = not any(part.name in SERVER_PARTS for part in state.missing)
    value = Health(is_well=is_well, parts=state.parts, load=state.load, replica=call.replica)
    return Response(_HEALTH.dump_json(value), 200 if is_well else 503, content_type=JSON)


def show(call: Call) -> System:
    """Tell which version runs and whether the database is being upgraded, as it is now."""
    running, is_admin = upgrades.find_running(call.session), call.viewer.is_admin
    upgrade = None
    if running is not None:
        upgrade = SystemUpgrade(
            found=running.found,
            target=running.target,
            pauses_scheduling=running.pauses_scheduling,
            began_at=running.began_at,
            holder=running.holder if is_admin else "",
            step=running.step if is_admin else "",
        )
    return System(
        version=__version__,
        schema=schema.known(),
        upgrade=upgrade,
        backfills=backfills.find_all(call.session) if is_admin else (),
    )


def version(call: Call) -> Version:
    """Tell the version."""
    del call
    return Version(version=__version__)


def whoami(call: Call) -> WhoAmI:
    """Tell who asks."""
    return WhoAmI(name=call.viewer.name or None, is_admin=call.viewer.is_admin)


def login(call: Call, body: LoginBody) -> NewToken:
    """Make a token for name and password."""
    call.login_limit.count(body.name)
    user_id = logins.check_password(call.session, body.name, body.password)
    call.login_limit.forget(body.name)
    description = f"{body.description} {call.now.isoformat()}"
    return tokens.create(call.session, user_id, description, now=call.now)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/system",
        summary="Tell the version, and whether the database is being upgraded",
        run=show,
        answer=System,
    ),
    Endpoint(
        method="GET",
        path="/system/health",
        summary="Tell how each part is; 503 when one is not well (a silent host is only shown)",
        run=health,
        answer=Health,
    ),
    Endpoint(
        method="GET",
        path="/system/version",
        summary="Tell the version",
        run=version,
        answer=Version,
    ),
    Endpoint(
        method="GET",
        path="/system/whoami",
        summary="Tell whose token or session this is",
        run=whoami,
        answer=WhoAmI,
    ),
    Endpoint(
        method="POST",
        path="/system/login",
        summary="Make a token for name and password",
        run=login,
        body=LoginBody,
        answer=NewToken,
        status=201,
    ),
)
