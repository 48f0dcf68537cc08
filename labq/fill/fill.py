"""Fills a database, or takes back a fill that was not ended."""

from __future__ import annotations

import os
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class with a small name

from labq.domain.deadline import Deadline
from labq.domain.errors import ConfigurationError, ConflictError
from labq.fill import cast, load, mark, shelf, telling
from labq.fill.book import Bases, Book
from labq.fill.load import Loader, Place, Say, connect
from labq.fill.mark import Mark
from labq.fill.profile import Profile
from labq.fill.story import NOBODY, STATES
from labq.fill.units import LOADED
from labq.services import schema

LEAVING_SECONDS = 10.0
POLL_SECONDS = 0.1
GENERATOR = 1
"""Raised when the same profile and seed give other data than before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What to fill with. `until`: the moment at which the story ends. `adds`: to what is there."""

    profile: Profile
    seed: int
    until: datetime
    adds: bool = False
    processes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What came of it. `tokens` by user: an admin, and an ordinary user in some of the groups.

    `long_log_job` has the longest log, which everybody may see; None when no job could have one.
    """

    jobs: int
    runs: int
    suites: int
    cases: int
    waiting: int
    running: int
    until: datetime
    seed: int
    first_job: int
    last_job: int
    long_log_job: int | None
    tokens: dict[str, str]


def prepare(url: str) -> None:
    """Give a new database its schema; raises ConfigurationError for one with another schema."""
    with closing(connect(url)) as connection, connection, connection.cursor() as cursor:
        is_interrupted = mark.find(connection) is not None
        cursor.execute("SELECT to_regclass('alembic_version') IS NULL")
        ((is_new,),) = cursor.fetchall()
    if is_interrupted:
        return
    if is_new:
        schema.upgrade(url)
    standing = schema.check(url)
    if not standing.is_current:
        raise ConfigurationError(
            f"the database has schema {standing.found}, this labq fills {standing.known}"
        )


def fill(place: Place, wishes: Wishes, say: Say) -> Filled:
    """Fill a database; what a fill that was interrupted has left there is cleared away before.

    Raises ConflictError when it has jobs and none are to be added, or is in use, ConfigurationError
    when its schema is not of this labq.
    """
    with closing(connect(place.url)) as connection:
        _take_over(connection, place, say)
        bases = _judge(connection, adds=wishes.adds)
        prefix = f"s{wishes.seed}-" if wishes.adds else ""
        say("telling the story")
        lab = cast.assemble(wishes.profile, wishes.seed, prefix)
        until = int(wishes.until.timestamp() * 1_000_000)
        book = Book(telling.tell(wishes.profile, lab, wishes.seed, until), bases)
        found = _begin(connection, book)
    secrets = Loader(place, book, wishes.processes or (os.cpu_count() or 1), say).load(found)
    return _summary(book, wishes, secrets)


def abandon(place: Place, say: Say) -> bool:
    """Take back a fill that was not ended; tell whether there was one."""
    with closing(connect(place.url)) as connection:
        if not _take_over(connection, place, say):
            return False
    return True


def _take_over(connection: Connection, place: Place, say: Say) -> bool:
    """Clear away what a fill has left that was not ended, and put back what it took away."""
    with connection:
        found = mark.find(connection)
        if found is None:
            return False
        _refuse_company(connection)
        if found.revision != mark.revision(connection):
            raise ConfigurationError("the schema has changed since the fill was interrupted")
        say("clearing away what an interrupted fill has left")
        shelf.take_away(connection, [table.name for table in LOADED])
        mark.clear(connection, found)
    load.recount(place.url)
    load.finish(place.url, 1, say)
    return True


def _judge(connection: Connection, *, adds: bool) -> Bases:
    """Return what the new ids are counted from; refuse what must not be filled."""
    with connection, connection.cursor() as cursor:
        _refuse_company(connection)
        found = mark.measure(connection)
        cursor.execute("SELECT EXISTS (SELECT FROM job)")
        ((has_jobs,),) = cursor.fetchall()
    if has_jobs and not adds:
        raise ConflictError("the database has jobs: take an empty one, or add to them with --add")
    return found


def _refuse_company(connection: Connection) -> None:
    """Raise ConflictError when others are at work on the database: they would see half of it.

    Those who are about to leave, as the processes of a fill that was killed, are waited for.
    """
    deadline = Deadline.after(LEAVING_SECONDS)
    while names := _others(connection):
        if deadline.is_over():
            raise ConflictError(f"the database is in use by {', '.join(names)}: stop that first")
        time.sleep(POLL_SECONDS)


def _others(connection: Connection) -> list[str]:
    """Return the names of all who are connected to the database beside ourselves."""
    with connection.cursor() as cursor:
        # What is known of the others is kept for the length of a transaction otherwise.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT DISTINCT application_name FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend' ORDER BY 1"
        )
        return [name or "somebody" for (name,) in cursor.fetchall()]


def _begin(connection: Connection, book: Book) -> Mark:
    """Mark the database, and take away what would slow the load down; both at once."""
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM device_type")
        known = {name for (name,) in cursor.fetchall()}
        found = Mark(
            bases=book.bases,
            revision=mark.revision(connection),
            hosts=book.story.cast.hosts,
            types=tuple(kind.name for kind in book.story.cast.types if kind.name not in known),
            audit=mark.highest_audit(connection),
        )
        mark.write(connection, found)
        shelf.make(connection)
        shelf.take_away(connection, [table.name for table in LOADED])
    return found


def _summary(book: Book, wishes: Wishes, secrets: dict[str, str]) -> Filled:
    story = book.story
    states = [STATES[code].value for code in story.state]
    return Filled(
        jobs=len(story),
        runs=story.last_run[-1],
        suites=story.first_suite[-1],
        cases=story.first_case[-1],
        waiting=states.count("submitted"),
        running=sum(1 for word in story.devices if word.job != NOBODY),
        until=wishes.until,
        seed=wishes.seed,
        first_job=book.job(0),
        last_job=book.job(len(story) - 1),
        long_log_job=None if story.long_log == NOBODY else book.job(story.long_log),
        tokens=secrets,
    )
