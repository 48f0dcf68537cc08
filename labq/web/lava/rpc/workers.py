"""scheduler.workers: hosts, and the files that clients keep for them."""

from __future__ import annotations

from http import HTTPStatus
from xmlrpc.client import Fault

from labq.domain.errors import ConflictError, NotFoundError
from labq.domain.states import HostHealth
from labq.services import host_brief, host_files, hosts
from labq.services.host_brief import HostBrief
from labq.services.host_files import HostFile
from labq.services.hosts import HostChange
from labq.services.transitions import By
from labq.web.endpoint import Call, Level
from labq.web.lava import words
from labq.web.lava.faults import bad_request, not_found
from labq.web.lava.method import Flag, Int, Method, Text

REASON = "xmlrpc api"
_KINDS = {
    HostFile.CONFIG: "a dispatcher configuration",
    HostFile.ENVIRONMENT: "an env file",
    HostFile.DEVICE_ENVIRONMENT: "an env-dut file",
}


def list_workers(call: Call, show_all: Flag | None = False) -> list[str]:
    """Return the names of workers, with `show_all` retired ones too."""
    return list(host_brief.find_names(call.session, with_retired=bool(show_all)))


def show(call: Call, hostname: Text) -> dict[str, object]:
    """Return one worker."""
    host = _find(call, hostname)
    return {
        "hostname": host.name,
        "description": host.description,
        "state": words.word(host.state),
        "health": words.word(host.health),
        "devices": list(host.devices),
        "last_ping": host.reported_at,
        "job_limit": host.job_limit,
        "version": host.version,
        "default_config": host.files.dispatcher_config is None,
        "default_env": host.files.environment is None,
        "default_env_dut": host.files.device_environment is None,
    }


def add(
    call: Call, hostname: Text, description: Text | None = None, disabled: Flag | None = False
) -> None:
    """Add a worker, a retired one if `disabled`; it joins by `labq host enroll`."""
    try:
        hosts.add(call.session, hostname, description=description or "")
    except ConflictError as error:
        raise bad_request("Bad request: worker already exists?") from error
    if disabled:
        hosts.set_health(call.session, hostname, HostHealth.RETIRED, _by(call))


def update(
    call: Call,
    hostname: Text,
    description: Text | None = None,
    health: Text | None = None,
    job_limit: Int | None = None,
) -> None:
    """Change a worker; nil leaves as it is. Health is ACTIVE, MAINTENANCE or RETIRED."""
    _find(call, hostname)
    if job_limit is not None and not 0 <= job_limit < 2**31:
        raise bad_request("Invalid job limit")
    wanted = words.find_word(HostHealth, health) if health is not None else None
    if health is not None and wanted is None:
        raise bad_request(f"Invalid health: {health}")
    hosts.change(call.session, hostname, HostChange(description=description, job_limit=job_limit))
    if wanted is not None:
        hosts.set_health(call.session, hostname, wanted, _by(call))


def delete(call: Call, hostname: Text) -> None:
    """Remove a worker that has no device and never had a job."""
    _find(call, hostname)
    hosts.remove(call.session, hostname)


def get_config(call: Call, hostname: Text) -> bytes:
    """Return the configuration that is kept for a worker."""
    return _read(call, hostname, HostFile.CONFIG)


def set_config(call: Call, hostname: Text, config: Text | None) -> bool:
    """Keep a configuration for a worker; an empty one takes it away."""
    return _store(call, hostname, HostFile.CONFIG, config)


def get_env(call: Call, hostname: Text) -> bytes:
    """Return the variables of a worker's own programs."""
    return _read(call, hostname, HostFile.ENVIRONMENT)


def set_env(call: Call, hostname: Text, env: Text | None) -> bool:
    """Keep the variables of a worker's own programs; an empty text takes them away."""
    return _store(call, hostname, HostFile.ENVIRONMENT, env)


def get_env_dut(call: Call, hostname: Text) -> bytes:
    """Return the variables that tests on a worker's devices get."""
    return _read(call, hostname, HostFile.DEVICE_ENVIRONMENT)


def set_env_dut(call: Call, hostname: Text, env: Text | None) -> bool:
    """Keep the variables that tests on a worker's devices get; an empty text takes them away."""
    return _store(call, hostname, HostFile.DEVICE_ENVIRONMENT, env)


def _find(call: Call, hostname: str) -> HostBrief:
    try:
        return host_brief.find(call.session, call.viewer, hostname)
    except NotFoundError as error:
        raise not_found("Worker", hostname) from error


def _read(call: Call, hostname: str, file: HostFile) -> bytes:
    text = getattr(_find(call, hostname).files, file.value)
    if text is None:
        message = f"Worker '{hostname}' does not have {_KINDS[file]}"
        raise Fault(int(HTTPStatus.NOT_FOUND), message)
    return str(text).encode()


def _store(call: Call, hostname: str, file: HostFile, text: str | None) -> bool:
    _find(call, hostname)
    host_files.store(call.session, hostname, file, text or "", by=_by(call))
    return True


def _by(call: Call) -> By:
    return By(call.viewer.name, call.now, REASON)


METHODS = (
    Method(name="scheduler.workers.list", run=list_workers, returns="array"),
    Method(name="scheduler.workers.show", run=show, returns="struct"),
    Method(name="scheduler.workers.add", run=add, returns="nil", level=Level.ADMIN, is_change=True),
    Method(
        name="scheduler.workers.update",
        run=update,
        returns="nil",
        level=Level.ADMIN,
        is_change=True,
    ),
    Method(
        name="scheduler.workers.delete",
        run=delete,
        returns="nil",
        level=Level.ADMIN,
        is_change=True,
    ),
    Method(name="scheduler.workers.get_config", run=get_config, returns="base64"),
    Method(
        name="scheduler.workers.set_config",
        run=set_config,
        returns="boolean",
        level=Level.ADMIN,
        is_change=True,
    ),
    Method(name="scheduler.workers.get_env", run=get_env, returns="base64"),
    Method(
        name="scheduler.workers.set_env",
        run=set_env,
        returns="boolean",
        level=Level.ADMIN,
        is_change=True,
    ),
    Method(name="scheduler.workers.get_env_dut", run=get_env_dut, returns="base64"),
    Method(
        name="scheduler.workers.set_env_dut",
        run=set_env_dut,
        returns="boolean",
        level=Level.ADMIN,
        is_change=True,
    ),
)
