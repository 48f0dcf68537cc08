"""How long it takes to drop a month of results, and what those who read meanwhile feel of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import psycopg2
from sqlalchemy import Engine

from labq.models.partition import PARTITIONED
from labq.services import partitions
from labq.services.database import Role, make_engine
from tests.benchmarks.figures import Figure, percentile, say
from tests.benchmarks.ingest import Site, site

CASES = 2_000_000
SUITES = 20_000
"""Of each month."""
OLD, KEPT = date(2025, 1, 15), date(2025, 2, 15)
READERS = 2
QUIET_SECONDS = 10.0
PAUSE_SECONDS = 0.005
"""Between two queries of a reader: readers that load all cores would measure one another."""

SUITES_OF = """
INSERT INTO test_suite (id, job_id, run_id, submitted_on, passed, name)
SELECT %(first)s + n, %(first)s + n, %(first)s + n, %(day)s, %(each)s, '0_ltp-syscalls'
  FROM generate_series(1, %(suites)s) AS n
"""
CASES_OF = """
INSERT INTO test_case (suite_id, "offset", logged_at, submitted_on, epoch, line, step, verdict,
                       channel, name)
SELECT %(first)s + suite, 73 * n, %(day)s, %(day)s, 1, n, 1, 'pass', 'console',
       'syscall-' || n || '_variant'
  FROM generate_series(1, %(suites)s) AS suite, generate_series(1, %(each)s) AS n
"""
QUERY = """
SELECT name, verdict FROM test_case
 WHERE submitted_on = %s AND suite_id = %s ORDER BY "offset" LIMIT 25
"""


def measure(folder: Path) -> Iterator[Figure]:
    """Read another month all the time; drop all that a month has of results and logs."""
    with site(folder) as found:
        _fill(found)
        engine = make_engine(found.url, Role.CORE)
        quiet, _ = _read_while(found, lambda: time.sleep(QUIET_SECONDS))
        busy, seconds = _read_while(found, lambda: _drop(engine))
        engine.dispose()
    p99, p99_meanwhile = (1000 * percentile(times, 99) for times in (quiet, busy))
    say(f"{len(quiet)} reads took {p99:.2f} ms (p99), {len(busy)} meanwhile {p99_meanwhile:.2f} ms")
    yield Figure("retention_drop_seconds", round(seconds, 3), "s", "at most 1")
    yield Figure(
        "retention_drop_p99_ratio", round(p99_meanwhile / p99, 2), "times quiet", "at most 2"
    )


def _fill(found: Site) -> None:
    """Make a month to be dropped and one that is read, both of the same size."""
    engine = make_engine(found.url, Role.COMMAND)
    with engine.begin() as connection:
        partitions.ensure(connection, OLD, KEPT)
    engine.dispose()
    with closing(psycopg2.connect(found.url)) as link, link.cursor() as cursor:
        for number, day in enumerate((OLD, KEPT)):
            values = {
                "first": number * SUITES,
                "day": day,
                "suites": SUITES,
                "each": CASES // SUITES,
            }
            cursor.execute(SUITES_OF, values)
            cursor.execute(CASES_OF, values)
        link.commit()
        link.autocommit = True
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


def _drop(engine: Engine) -> None:
    with engine.connect() as connection:
        for table in PARTITIONED:
            partitions.drop_month(connection, table, OLD)


def _read_while(found: Site, act: Callable[[], None]) -> tuple[list[float], float]:
    """Return how long reads took that were made while something was done, and how long that took.

    Reading begins a moment before it and goes on for a second, in which files are deleted.
    """
    over = threading.Event()
    times: list[float] = []
    readers = [
        threading.Thread(target=_read, args=(found, over, times, seed)) for seed in range(READERS)
    ]
    for reader in readers:
        reader.start()
    time.sleep(1)
    began = time.monotonic()
    act()
    seconds = time.monotonic() - began
    time.sleep(1)
    over.set()
    for reader in readers:
        reader.join()
    return times, seconds


def _read(found: Site, over: threading.Event, times: list[float], seed: int) -> None:
    chance = Random(seed)
    with closing(psycopg2.connect(found.url)) as link, link.cursor() as cursor:
        link.autocommit = True
        while not over.wait(PAUSE_SECONDS):
            times.append(_timed(cursor, SUITES + chance.randint(1, SUITES)))


def _timed(cursor: Any, suite: int) -> float:
    began = time.perf_counter()
    cursor.execute(QUERY, (KEPT, suite))
    rows = cursor.fetchall()
    took = time.perf_counter() - began
    assert len(rows) == 25, f"suite {suite} has {len(rows)} cases"
    return took
