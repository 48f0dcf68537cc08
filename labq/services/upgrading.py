"""Moves the schema, one revision after the other, announced, and on again after every interruption."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg2
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError

from labq.domain.deadline import Deadline, monotonic
from labq.domain.errors import ConflictError
from labq.migration.backfills import find_backfill
from labq.migration.locks import BRIEF_MS, insist, set_timeout
from labq.services import partitions, turns, upgrades
from labq.services.announcer import Announcer
from labq.services.database import Role, make_engine
from labq.services.filling import Filling, Turn
from labq.services.leftovers import drop_leftovers
from labq.services.restore_marker import refuse_half_restored
from labq.services.upgrades import Announcement

NONE = "none"
PATIENCE_SECONDS = 1800.0
OUTAGE_PAUSE_SECONDS = 1.0
BUSY_PAUSE_SECONDS = 0.5
LOOK_SECONDS = 5.0
_QUIET = ("SELECT", "SET", "SHOW", "WITH")
# A server that shuts down, was told to, or starts; connections that break have no code.
_AWAY = ("57P01", "57P02", "57P03", None)
log = logging.getLogger(__name__)
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How to upgrade: whether nothing new is begun meanwhile, and whether to wait for another one.

    A database that goes away is waited for as long as `patience_seconds`. `is_restoring`: a restore
    asks, which alone may move the schema of a database that it has marked.
    """

    target: str = "head"
    pauses_scheduling: bool = False
    waits: bool = True
    patience_seconds: float = PATIENCE_SECONDS
    is_restoring: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """What was done: from which revision to which, and the ones between, the last one included."""

    found: str
    target: str
    revisions: tuple[str, ...]
    seconds: float


class Upgrading:
    """One upgrade."""

    def __init__(self, url: str, config: Config, wishes: Wishes, say: Say) -> None:
        self._url = url
        self._config = config
        self._wishes = wishes
        self._say = say
        self._began = datetime.now(UTC)
        self._found = ""
        self._done: list[str] = []

    def run(self) -> Upgraded:
        """Do it; raises ConflictError when somebody else does or a lock is never to be had."""
        began, deadline = monotonic(), Deadline.after(self._wishes.patience_seconds)
        while True:
            try:
                target = self._attempt()
            except Exception as error:
                # One that was never reached is an error of whoever called.
                if not is_outage(error) or not self._found or deadline.is_over():
                    raise
                self._say("the database is away: waits for it, then goes on")
                deadline = self._await(deadline)
            else:
                seconds = monotonic() - began
                return Upgraded(
                    found=self._found, target=target, revisions=tuple(self._done), seconds=seconds
                )

    def _await(self, deadline: Deadline) -> Deadline:
        """Wait until the database answers; return until when to wait for it the next time."""
        while not deadline.is_over():
            time.sleep(OUTAGE_PAUSE_SECONDS)
            with _connected(self._url) as engine:
                try:
                    engine.connect().close()
                except DBAPIError:
                    continue
            return Deadline.after(self._wishes.patience_seconds)
        return deadline

    def _attempt(self) -> str:
        """Do what is left to do, and return the revision that is reached."""
        with _connected(self._url) as engine, engine.connect() as connection:
            turns.take(connection, waits=self._wishes.waits)
            if not self._wishes.is_restoring:
                refuse_half_restored(connection)
            found = current(connection) or NONE
            connection.commit()
            self._found = self._found or found
            steps = pending(self._config, found, self._wishes.target)
            if steps:
                with self._announced(engine, connection, steps) as announcer:
                    for script in steps:
                        self._move(engine, connection, script, announcer)
            else:
                upgrades.settle(connection)
            _make_partitions(connection)
            return current(connection) or NONE

    @contextmanager
    def _announced(
        self, engine: Engine, connection: Connection, steps: Sequence[Script]
    ) -> Iterator[Announcer]:
        name: str = connection.scalar(text("SELECT current_setting('application_name')")) or ""
        worker = connection.scalar(text("SELECT pg_backend_pid()")) or 0
        connection.commit()
        announced = Announcement(
            holder=name or f"process {os.getpid()}",
            found=self._found,
            target=steps[-1].revision,
            pauses_scheduling=self._wishes.pauses_scheduling,
            step="",
            began_at=self._began,
            ended_at=None,
            error="",
            is_running=True,
        )
        announcer = Announcer(engine, announced, worker)
        announcer.begin()
        try:
            yield announcer
        except BaseException as error:
            announcer.end(_describe(error))
            raise
        announcer.end()

    def _move(
        self, engine: Engine, connection: Connection, script: Script, announcer: Announcer
    ) -> None:
        """Take the schema to the revision from the one before it."""
        revision = script.revision

        def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
            if not statement.lstrip().upper().startswith(_QUIET):
                announcer.say(f"{revision}: {statement}")

        def move() -> None:
            for name in drop_leftovers(engine):
                self._say(f"{name} was left half made: dropped, to be made anew")
            try:
                _run_alembic(self._config, connection, revision)
            except BaseException:
                connection.rollback()
                raise

        self._say(f"{revision}: {script.doc}")
        for name in getattr(script.module, "requires", ()):
            self._finish(engine, name, announcer)
        event.listen(connection, "before_cursor_execute", note)
        try:
            insist(connection, move)
        finally:
            event.remove(connection, "before_cursor_execute", note)
        self._done.append(revision)

    def _finish(self, engine: Engine, name: str, announcer: Announcer) -> None:
        """Have a back-fill done before something relies on it."""
        announcer.say(f"back-fill {name}")
        finish_backfill(engine, name, self._say)


def finish_backfill(engine: Engine, name: str, say: Say) -> None:
    """Carry a back-fill out to its end; tasks of the core queue may do some of it meanwhile.

    Raises ConflictError when it was never begun.
    """
    filling = Filling(engine, find_backfill(name))
    while True:
        state = _look(engine, name)
        if state.is_finished:
            return
        say(f"back-fill {name}: {state.done} of about {state.total} rows")
        if filling.run(Deadline.after(LOOK_SECONDS)) is Turn.BUSY:
            time.sleep(BUSY_PAUSE_SECONDS)


@dataclass(frozen=True, slots=True)
class _State:
    done: int
    total: int
    is_finished: bool


def _look(engine: Engine, name: str) -> _State:
    query = text("SELECT done, total, finished_at IS NOT NULL FROM backfill WHERE name = :name")
    with engine.begin() as connection:
        row = connection.execute(query, {"name": name}).one_or_none()
    if row is None:
        raise ConflictError(f"the back-fill {name} was never begun: no revision before has done so")
    return _State(*row)


def current(connection: Connection) -> str | None:
    """Return the revision that the database has."""
    return MigrationContext.configure(connection).get_current_revision()


def pending(config: Config, found: str, target: str) -> list[Script]:
    """Return the revisions after `found` up to `target`, the next one first.

    Raises CommandError when this labq does not know one of them.
    """
    script = ScriptDirectory.from_config(config)
    lower = "base" if found == NONE else found
    try:
        return list(reversed(list(script.iterate_revisions(target, lower))))
    except RevisionError as error:
        raise CommandError(str(error)) from error


def is_outage(error: BaseException | None) -> bool:
    """Tell whether the database was gone: what is raised may hide that in what it was raised from."""
    while error is not None:
        orig = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(orig, psycopg2.OperationalError | psycopg2.InterfaceError):
            return orig.pgcode in _AWAY
        error = error.__cause__ or error.__context__
    return False


def _run_alembic(config: Config, connection: Connection, revision: str) -> None:
    set_timeout(connection, BRIEF_MS)
    connection.commit()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    connection.commit()


def _make_partitions(connection: Connection) -> None:
    """Have room for the results of the next months."""

    def make() -> None:
        with connection.begin():
            partitions.ensure_ahead(connection, datetime.now(UTC).date())

    query = text("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass('test_case')")
    has_partitions = connection.scalar(query)
    connection.commit()
    if has_partitions:
        insist(connection, make)


def _describe(error: BaseException) -> str:
    return " ".join(str(error).split())[:500] or type(error).__name__


@contextmanager
def _connected(url: str) -> Iterator[Engine]:
    engine = make_engine(url, Role.MIGRATION)
    try:
        yield engine
    finally:
        engine.dispose()
