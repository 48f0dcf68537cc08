"""The database of this machine's server, for the few commands that go to it themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from labq import config
from labq.cli.failures import Failed, Misused, Unreachable
from labq.config import Settings
from labq.domain.deadline import Deadline
from labq.metrics.ledger.process import observed
from labq.services.database import Role, make_engine, session_factory
from labq.supervisor import postgres, state
from labq.supervisor.postgres import Postgres
from labq.supervisor.servers import DATABASE, POSTGRES
from labq.supervisor.state import LONGEST_PATH

START_SECONDS = 60.0
POLL_SECONDS = 0.05


@contextmanager
def opened() -> Iterator[Session]:
    """Give a session of the server's database."""
    with reached() as url:
        engine = make_engine(url, Role.COMMAND)
        try:
            with session_factory(engine)() as session:
                yield session
        except OperationalError as error:
            raise Unreachable(f"the database does not answer: {str(error.orig).strip()}") from error
        finally:
            engine.dispose()


def sealing_keys() -> tuple[str, ...]:
    """Return the keys of stored secrets: as set, else the one that `labq up` made."""
    settings = config.load()
    if not settings.secret_key:
        own = state.State(settings.state, settings.state).secret_key()
        settings = settings.model_copy(update={"secret_key": own})
    return settings.sealing_keys


@contextmanager
def reached() -> Iterator[str]:
    """Give the URL of the database; one in the state folder that sleeps is woken meanwhile.

    What the command does there is in the server's ledger afterwards, where LABQ_REDIS_URL is set.
    """
    settings = config.load()
    with observed("cli", settings), _found(settings) as url:
        yield url


@contextmanager
def _found(settings: Settings) -> Iterator[str]:
    if settings.database_url:
        yield settings.database_url
        return
    folder = settings.state / POSTGRES
    if not (folder / "PG_VERSION").exists():
        raise Misused(
            f"no database: LABQ_DATABASE_URL is not set and {settings.state} has none "
            "(start `labq up` once, or set LABQ_STATE)"
        )
    with _short(folder) as place:
        server = postgres.prepare(place)
        if server.is_ready():
            yield server.url(DATABASE)
            return
        with _running(server):
            yield server.url(DATABASE)


@contextmanager
def reached_alone() -> Iterator[str]:
    """Give the URL of the database; one in the state folder is made when there is none.

    Raises InfrastructureError while `labq up` runs with that folder.
    """
    settings = config.load()
    if settings.database_url:
        yield settings.database_url
        return
    with state.opened(settings.state) as own:
        server = postgres.prepare(own.folder / POSTGRES)
        with _running(server):
            server.create(DATABASE)
            yield server.url(DATABASE)


@contextmanager
def answering() -> Iterator[None]:
    """Say it when the database goes away, or is not there."""
    try:
        yield
    except (OperationalError, psycopg2.OperationalError) as error:
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        raise Unreachable(f"the database does not answer: {said}") from error


@contextmanager
def _short(folder: Path) -> Iterator[Path]:
    """Give a path to the folder that is short enough for the socket in it: a link if need be."""
    if len(os.fsencode(folder)) <= LONGEST_PATH:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="labq-") as place:
        link = Path(place) / folder.name
        link.symlink_to(folder)
        yield link


@contextmanager
def _running(server: Postgres) -> Iterator[None]:
    process = subprocess.Popen(
        server.argv, cwd=server.folder, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = Deadline.after(START_SECONDS)
    try:
        while not server.is_ready():
            if process.poll() is not None or deadline.is_over():
                raise Failed(f"PostgreSQL in {server.folder} did not start")
            time.sleep(POLL_SECONDS)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
