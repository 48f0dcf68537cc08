"""workers/: the hosts that boards hang on, and the files that clients keep for them."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response

from labq.domain.errors import InvalidInputError, NotFoundError, Problem
from labq.domain.states import HostHealth
from labq.models.host import Host
from labq.services import host_files, hosts
from labq.services.host_files import HostFile
from labq.services.hosts import HostChange
from labq.services.tables import lab, page
from labq.services.transitions import By
from labq.web.endpoint import YAML, Call, Level
from labq.web.lava import words
from labq.web.lava.rest import body, listing
from labq.web.lava.rest.route import Json, Reply, Route, text

MOST_JOBS = 2**31 - 1


def index(call: Call) -> Json:
    """List workers."""
    wanted = listing.asked()
    found = page.find(call.session, lab.WORKERS, wanted)
    return listing.page(found, wanted, partial(_shown, is_admin=call.viewer.is_admin))


def show(call: Call, host: str) -> Json:
    """Show one worker."""
    row = page.find_one(call.session, lab.WORKERS, Host.name == host)
    if row is None:
        raise NotFoundError(f"there is no worker {host!r}")
    return _shown(row, is_admin=call.viewer.is_admin)


def create(call: Call) -> Reply:
    """Make a worker known; it has to join by a code of its own (`labq host enroll`)."""
    fields = body.read()
    name = body.required(fields, "hostname")
    hosts.add(call.session, name, description=body.optional(fields, "description") or "")
    wanted = HostChange(job_limit=body.number(fields, "job_limit", most=MOST_JOBS))
    hosts.change(call.session, name, wanted)
    return Reply(show(call, name), 201)


def change(call: Call, host: str) -> Json:
    """Change what is said of a worker."""
    fields = body.read()
    wanted = HostChange(
        description=body.optional(fields, "description"),
        job_limit=body.number(fields, "job_limit", most=MOST_JOBS),
    )
    hosts.change(call.session, host, wanted)
    health = body.optional(fields, "health")
    if health is not None:
        hosts.set_health(call.session, host, _health(health), _by(call))
    return show(call, host)


def set_health(call: Call, host: str) -> Reply:
    """Change whether a worker is given work."""
    fields = body.read()
    health = _health(body.required(fields, "health"))
    by = _by(call, body.optional(fields, "reason") or "")
    hosts.set_health(call.session, host, health, by)
    return Reply({"message": "OK"}, 202)


def environment(call: Call, host: str) -> Response:
    """Return the variables for jobs of a worker."""
    return _file(host, host_files.find(call.session, host).environment, "env")


def store_environment(call: Call, host: str) -> Json:
    """Keep the variables for jobs of a worker."""
    return _store(call, host, HostFile.ENVIRONMENT, body.required(body.read(), "env"))


def config(call: Call, host: str) -> Response:
    """Return the settings of a worker."""
    return _file(host, host_files.find(call.session, host).dispatcher_config, "dispatcher")


def store_config(call: Call, host: str) -> Json:
    """Keep the settings of a worker."""
    return _store(call, host, HostFile.CONFIG, body.required(body.read(), "config"))


def _file(host: str, found: str | None, kind: str) -> Response:
    if found is None:
        message = f"Worker '{host}' does not have '{kind}' file"
        raise InvalidInputError([Problem("detail", message)])
    return text(found, f"{YAML}; charset=utf-8", f"{kind}.yaml")


def _store(call: Call, host: str, file: HostFile, given: str) -> Json:
    host_files.store(call.session, host, file, given, by=_by(call))
    return {"message": "content successfully updated"}


def _health(given: str) -> HostHealth:
    found = words.find_word(HostHealth, given)
    if found is None:
        raise InvalidInputError([Problem("health", f'"{given}" is not a valid choice.')])
    return found


def _by(call: Call, reason: str = "changed over the API") -> By:
    return By(call.viewer.name, call.now, reason)


def _shown(row: Any, *, is_admin: bool) -> Json:
    shown = {
        "hostname": row.name,
        "state": words.word(row.state),
        "health": words.word(row.health),
        "description": row.description,
        "last_ping": words.json_time(row.reported_at),
        "job_limit": row.job_limit,
        "version": row.version,
        "master_version_notified": None,
    }
    # Hosts of labq log in by credentials of which the server keeps hashes alone.
    return {**shown, "token": ""} if is_admin else shown


ROUTES = (
    Route(method="GET", path="workers/", run=index),
    Route(method="POST", path="workers/", run=create, level=Level.ADMIN),
    Route(method="GET", path="workers/<host>/", run=show),
    Route(method="PUT", path="workers/<host>/", run=change, level=Level.ADMIN),
    Route(method="PATCH", path="workers/<host>/", run=change, level=Level.ADMIN),
    Route(method="POST", path="workers/<host>/set_health/", run=set_health, level=Level.ADMIN),
    Route(method="GET", path="workers/<host>/env/", run=environment, level=Level.USER),
    Route(method="POST", path="workers/<host>/env/", run=store_environment, level=Level.ADMIN),
    Route(method="GET", path="workers/<host>/config/", run=config, level=Level.USER),
    Route(method="POST", path="workers/<host>/config/", run=store_config, level=Level.ADMIN),
)
