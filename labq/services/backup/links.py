"""Plain connections for COPY: several on one snapshot, or several that load."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from typing import TypeVar

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class, whatever its name

from labq.services.database import Role, make_engine

T = TypeVar("T")
R = TypeVar("R")
LOCK_WAIT = "60s"
"""Longer than a migration waits for the same table: it gives up before a dump does."""


@contextmanager
def linked(url: str, application: str) -> Iterator[Connection]:
    """Give a connection that commits each statement, and speaks UTF-8."""
    engine = make_engine(url, Role.COMMAND, application=application)
    try:
        pooled = engine.raw_connection()
        link = pooled.driver_connection
        if not isinstance(link, Connection):
            message = f"{link!r} is no connection of psycopg2"
            raise TypeError(message)
        pooled.detach()
        try:
            link.autocommit = True
            link.set_client_encoding("UTF8")
            yield link
        finally:
            link.close()
    finally:
        engine.dispose()


def begin_reading(link: Connection, tables: Collection[str], snapshot: str | None = None) -> None:
    """Begin to read these tables as they are now, or were at `snapshot`; nobody may alter them.

    They are locked before anything is seen, so that what is seen is what can be read. The
    connection's end, or `end_reading`, gives them free.
    """
    with link.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if snapshot is not None:
            cursor.execute("SET TRANSACTION SNAPSHOT %s", (snapshot,))
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
        if tables:
            names = sql.SQL(", ").join(map(sql.Identifier, tables))
            cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(names))


def end_reading(link: Connection) -> None:
    """End what `begin_reading` began."""
    with link.cursor() as cursor:
        cursor.execute("ROLLBACK")


class Team:
    """Connections that work through a list at once, each in a thread of its own."""

    def __init__(self, links: Sequence[Connection]) -> None:
        self._free: SimpleQueue[Connection] = SimpleQueue()
        self._count = len(links)
        for link in links:
            self._free.put(link)

    def each(self, work: Callable[[Connection, T], R], items: Iterable[T]) -> Iterator[tuple[T, R]]:
        """Do the work for all items, and yield each with what came of it as soon as it is done.

        The first failure is raised; what was not begun by then is left.
        """

        def do(item: T) -> R:
            link = self._free.get()
            try:
                return work(link, item)
            finally:
                self._free.put(link)

        pool = ThreadPoolExecutor(self._count)
        try:
            tasks = {pool.submit(do, item): item for item in items}
            for task in as_completed(tasks):
                yield tasks[task], task.result()
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def team(url: str, application: str, count: int) -> Iterator[tuple[Team, Sequence[Connection]]]:
    """Give `count` connections, and the team of them."""
    with ExitStack() as stack:
        links = [stack.enter_context(linked(url, application)) for _ in range(count)]
        yield Team(links), links
