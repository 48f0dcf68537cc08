"""Rows of the audit trail: moves of jobs, runs and devices of the last days."""

from __future__ import annotations

from collections.abc import Iterator

from labq.domain.states import JobState, RunState, StepState
from labq.fill.arrivals import DAY
from labq.fill.book import Book
from labq.fill.copytext import moment
from labq.fill.course import course
from labq.fill.story import NOBODY, STATES
from labq.fill.table import Table

Move = tuple[int, str, str, str, str]
"""When, kind of subject, its name, from, to."""
_RUN_OF = {
    JobState.SCHEDULED: RunState.RESERVED,
    JobState.RUNNING: RunState.RUNNING,
    JobState.CANCELING: RunState.CANCELING,
    JobState.FINISHED: RunState.ENDED,
}


def _audit(book: Book, jobs: range) -> Iterator[str]:
    oldest = book.story.until - book.story.profile.audit_days * DAY
    for job in jobs:
        if book.story.submitted[job] < oldest:
            continue
        for when, kind, name, before, after in _moves(book, job):
            yield f"{moment(when)}\tlabq\t{kind}\t{name}\t{before}\t{after}"


def _moves(book: Book, job: int) -> Iterator[Move]:
    story = book.story
    number = str(book.job(job))
    if story.device[job] == NOBODY:
        if story.is_over(job):
            yield story.ended[job], "job", number, JobState.SUBMITTED, JobState.FINISHED
        return
    board = story.cast.boards[story.device[job]].name
    reserved, began, ended = story.reserved[job], story.began[job], story.ended[job]
    yield reserved, "job", number, JobState.SUBMITTED, JobState.SCHEDULED
    yield reserved, "device", board, "idle", "reserved"
    if not began:
        return
    yield began, "job", number, JobState.SCHEDULED, JobState.RUNNING
    yield began, "run", str(book.run(job)), RunState.RESERVED, RunState.RUNNING
    yield began, "device", board, "reserved", "running"
    yield from _step_moves(book, job)
    state = STATES[story.state[job]]
    if state is JobState.CANCELING:
        yield story.until - 1, "job", number, JobState.RUNNING, state
        yield story.until - 1, "run", str(book.run(job)), RunState.RUNNING, _RUN_OF[state]
    if ended:
        yield ended, "job", number, JobState.RUNNING, JobState.FINISHED
        yield ended, "run", str(book.run(job)), RunState.RUNNING, RunState.ENDED
        yield ended, "device", board, "running", "idle"


def _step_moves(book: Book, job: int) -> Iterator[Move]:
    run = book.run(job)
    for position, time in enumerate(course(book, job)):
        name = f"{run}/{position}"
        if time.began:
            yield time.began, "step", name, StepState.WAITING, StepState.RUNNING
        if time.ended:
            yield time.ended, "step", name, StepState.RUNNING, time.state


AUDIT = Table(
    name="audit",
    columns=("at", "actor", "subject", "subject_id", "before", "after"),
    rows=_audit,
    key="",
    base="",
)
