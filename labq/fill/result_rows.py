"""Rows of results. Cases are most of all rows: what they have in common is written once a suite."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from labq.fill import layout, words
from labq.fill.book import Book
from labq.fill.copytext import NULL, escaped, moment
from labq.fill.job_rows import error_message
from labq.fill.layout import Part
from labq.fill.recipes import case_names
from labq.fill.story import ERRORS, NOBODY
from labq.fill.table import Table

BYTES_OF_A_LINE = 64
_UNITS = dict(words.BENCHES)


def _suites(book: Book, jobs: range) -> Iterator[str]:
    for job in jobs:
        number = book.bases.suite + book.story.first_suite[job]
        run = str(book.run(job)) if book.story.device[job] != NOBODY else NULL
        for part in layout.parts(book, job):
            number += 1
            counts = "\t".join(str(part.count(one)) for one in ("pass", "fail", "skip", "unknown"))
            yield f"{number}\t{book.job(job)}\t{run}\t{book.day(job)}\t{counts}\t{part.name}"


def _cases(book: Book, jobs: range) -> Iterator[str]:
    for job in jobs:
        suite = book.bases.suite + book.story.first_suite[job]
        for part in layout.parts(book, job):
            suite += 1
            if part.suite is None:
                yield from _own_cases(book, job, suite, part)
            else:
                yield from _tested(book, job, suite, part)


def _tested(book: Book, job: int, suite: int, part: Part) -> Iterator[str]:
    """Yield the cases of a test block."""
    assert part.suite is not None
    recipe = book.recipe(job).suites[part.suite]
    day, channel = book.day(job), book.shape(job).channel
    tails = _tails(recipe.cases, channel, part.cases)
    first, stride = book.bases.case + part.first_case + 1, part.stride
    every = max(1, (part.ended - part.began) // (part.cases + 1))
    odd, measured = part.odd, recipe.cases == "benches"
    line = part.line + stride - 1
    for at in range(part.cases):
        tail = tails[at]
        if measured:
            tail = tail.replace("\tMEASURED\t", f"\t{_value(job, at)}\t", 1)
        yield (
            f"{first + at}\t{suite}\t{line * BYTES_OF_A_LINE}\t{moment(part.began + at * every)}"
            f"\t{day}\t1\t{line}\t{line - stride + 1}\t{line - 2}\t{part.step}"
            f"\t{odd.get(at, 'pass')}{tail}"
        )
        line += stride


@lru_cache(maxsize=512)
def _tails(pool: str, channel: str, cases: int) -> list[str]:
    """Return what ends the rows of the first cases of a pool: from the channel on."""
    names = case_names(pool)
    return [_tail(pool, channel, layout.case_name(names, at)) for at in range(cases)]


def _tail(pool: str, channel: str, name: str) -> str:
    units, measurement, test_set = "", NULL, NULL
    if pool == "benches":
        units, measurement = (
            _UNITS[name.rpartition("-")[0]] if name not in _UNITS else _UNITS[name],
            "MEASURED",
        )
    elif pool == "selftests":
        test_set = name.partition(".")[0]
    return f"\t{channel}\t{name}\t{units}\t{measurement}\t{test_set}\t{{}}"


def _value(job: int, at: int) -> str:
    """Return a measured value: each benchmark has its own size and a few percent of noise."""
    noise = (job * 7919 + at * 104_729) % 1000
    return f"{(at * at % 97 + 1) * (10_000 + noise) / 1000:.3f}"


def _own_cases(book: Book, job: int, suite: int, part: Part) -> Iterator[str]:
    """Yield labq's own cases: of steps, and of the job."""
    first, day = book.bases.case + part.first_case + 1, book.day(job)
    channel = book.shape(job).channel
    for at, (name, step, line) in enumerate(layout.own_cases(book, job, part.cases)):
        is_job = line is None
        place = NULL if line is None else str(line)
        when = part.ended if is_job else part.began + at * 1_000_000
        offset = 0 if line is None else line * BYTES_OF_A_LINE
        yield (
            f"{first + at}\t{suite}\t{offset}\t{moment(when)}\t{day}\t1\t{place}\t{NULL}\t{NULL}"
            f"\t{step}\t{part.odd.get(at, 'pass')}\t{'' if is_job else channel}\t{name}"
            f"\t\t{NULL}\t{NULL}\t{_details(book, job, name) if is_job else '{}'}"
        )


def _details(book: Book, job: int, name: str) -> str:
    found = f'"case": "{name}", "definition": "lava"'
    error = ERRORS[book.story.error[job]]
    if error is not None:
        message = error_message(book, job).replace('"', "'")
        found += f', "error_type": "{error}", "error_msg": "{message}"'
    return escaped(f"{{{found}}}")


SUITES = Table(
    name="test_suite",
    columns=(
        "id",
        "job_id",
        "run_id",
        "submitted_on",
        "passed",
        "failed",
        "skipped",
        "unknown",
        "name",
    ),
    rows=_suites,
    key="id",
    base="suite",
    is_partitioned=True,
)
CASES = Table(
    name="test_case",
    columns=(
        "id",
        "suite_id",
        "offset",
        "logged_at",
        "submitted_on",
        "epoch",
        "line",
        "start_line",
        "end_line",
        "step",
        "verdict",
        "channel",
        "name",
        "units",
        "measurement",
        "test_set",
        "details",
    ),
    rows=_cases,
    key="id",
    base="case",
    is_partitioned=True,
)
