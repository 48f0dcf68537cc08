"""The servers that labq brings along: started where the settings do not name others."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from signal import Signals

from labq import config
from labq.domain.deadline import Deadline
from labq.domain.errors import ConfigurationError, InfrastructureError
from labq.services import certificates, database_roles
from labq.supervisor import pid_files, postgres, redis
from labq.supervisor.address import claim, is_here, split
from labq.supervisor.crew import Crew, Stopped, last_line
from labq.supervisor.postgres import Postgres
from labq.supervisor.processes import Program
from labq.supervisor.redis import Redis, Tls
from labq.supervisor.state import State

POSTGRES = "postgres"
REDIS = "redis"
DATABASE = "labq"
TLS_PORT = 6380
START_SECONDS = 60.0
POLL_SECONDS = 0.01
STOP_SECONDS = 0.7
LEFT_OVER_SECONDS = 10.0


def start(crew: Crew, state: State, connections: int) -> None:
    """Start PostgreSQL and Redis, and say where they are in the environment.

    PostgreSQL is to have that many connections for all parts together.

    Raises ConfigurationError when one is not found, InfrastructureError when it does not start,
    Stopped when a signal asked for the end.
    """
    settings = config.load()
    if settings.redis_url and settings.hosts_address:
        raise ConfigurationError(
            "LABQ_REDIS_URL names a Redis already, --hosts-address is for one of labq's own: "
            "give that Redis a TLS port and name it by LABQ_REDIS_PUBLIC_URL"
        )
    for name, number in ((REDIS, Signals.SIGTERM), (POSTGRES, Signals.SIGINT)):
        # Two servers on one folder would spoil its data.
        pid_files.end(crew.pid_file_of(name), number, LEFT_OVER_SECONDS)
    messages = None if settings.redis_url else _add_redis(crew, state)
    database = None if settings.database_url else _add_postgres(crew, state, connections)
    if messages is not None:
        _wait_for_redis(crew, messages)
    if database is not None:
        _wait(crew, POSTGRES, database.is_ready)
        database.create(DATABASE)


def _add_postgres(crew: Crew, state: State, connections: int) -> Postgres:
    most = max(connections + postgres.RESERVED, postgres.LEAST_CONNECTIONS)
    server = postgres.prepare(state.folder / POSTGRES, {"max_connections": str(most)})
    os.environ |= {
        "LABQ_DATABASE_URL": server.url(DATABASE),
        "LABQ_DATABASE_WEB_URL": server.url(DATABASE, database_roles.WEB),
        "LABQ_DATABASE_CONDUCTOR_URL": server.url(DATABASE, database_roles.CONDUCTOR),
        "LABQ_DATABASE_REPORT_URL": server.url(DATABASE, database_roles.REPORT),
    }
    crew.add(
        Program(
            name=POSTGRES,
            argv=server.argv,
            cwd=server.folder,
            stop_signal=Signals.SIGINT,
            death_signal=Signals.SIGINT,
        )
    )
    return server


def _add_redis(crew: Crew, state: State) -> Redis:
    address = config.load().hosts_address
    tls = _tls(state, address) if address else None
    server = redis.prepare(state.folder / REDIS, tls)
    os.environ["LABQ_REDIS_URL"] = server.url
    if tls is not None:
        os.environ.setdefault("LABQ_REDIS_PUBLIC_URL", tls.public_url)
    crew.add(_program(server))
    return server


def _tls(state: State, given: str) -> Tls:
    """Return how hosts elsewhere reach Redis, with a certificate for that address."""
    address, port = split(given, TLS_PORT)
    claim(
        address if is_here(address) else "",
        port,
        "choose another one: --hosts-address ADDRESS:PORT",
    )
    names = (address, "127.0.0.1", "localhost")
    return Tls(address, port, certificates.ensure(state.folder / "tls", names, datetime.now(UTC)))


def _program(server: Redis) -> Program:
    return Program(name=REDIS, argv=server.argv, cwd=server.folder)


def _wait_for_redis(crew: Crew, server: Redis) -> None:
    """Wait for Redis; when it cannot read its data, it begins anew without, which loses nothing."""
    try:
        _wait(crew, REDIS, server.is_ready)
    except InfrastructureError:
        crew.stop([REDIS], STOP_SECONDS)
        aside = redis.set_aside(server.folder)
        if aside is None:
            raise
        with crew.log_of(REDIS).open("a") as log:
            log.write(f"labq: Redis does not start on its data, which is in {aside} now\n")
        crew.add(_program(server))
        _wait(crew, REDIS, server.is_ready)


def _wait(crew: Crew, name: str, is_ready: Callable[[], bool]) -> None:
    deadline = Deadline.after(START_SECONDS)
    while not is_ready():
        crew.turn(POLL_SECONDS)
        if crew.is_stopping:
            raise Stopped
        if deadline.is_over() or not crew.is_running(name):
            log = crew.log_of(name)
            raise InfrastructureError(f"{name} does not start: {last_line(log)} (all in {log})")
