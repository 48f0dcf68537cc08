"""Rows of runs: the run, its plan, its steps, what it held, how much log it left."""

from __future__ import annotations

from collections.abc import Iterator

from labq.domain.errors import ErrorType
from labq.domain.plan import PlanStep
from labq.domain.states import JobState, RunState, StepState
from labq.fill import log_text
from labq.fill.arrivals import DAY
from labq.fill.book import Book
from labq.fill.copytext import NULL, escaped, flag, moment, optional
from labq.fill.course import StepTime, course, course_of
from labq.fill.job_rows import error_message, infrastructure_message
from labq.fill.stencil import Stencil
from labq.fill.story import ERRORS, NOBODY, STATES, Earlier
from labq.fill.table import Table
from labq.plans import digest

_STATES = {
    JobState.SCHEDULED: RunState.RESERVED,
    JobState.RUNNING: RunState.RUNNING,
    JobState.CANCELING: RunState.CANCELING,
    JobState.FINISHED: RunState.ENDED,
}


def _runs(book: Book, jobs: range) -> Iterator[str]:
    for job in jobs:
        for earlier in earlier_runs(book, job):
            yield _earlier_run(book, job, earlier)
        if book.story.device[job] != NOBODY:
            yield _last_run(book, job)


def earlier_runs(book: Book, job: int) -> list[Earlier]:
    """Return the runs of a job before its last one."""
    return book.story.earlier.get(job, [])


def _last_run(book: Book, job: int) -> str:
    story, cast = book.story, book.story.cast
    state, error = STATES[story.state[job]], ERRORS[story.error[job]]
    is_canceled = error is ErrorType.CANCELED
    results = story.first_case[job + 1] - story.first_case[job]
    fields = (
        str(book.run(job)),
        str(book.job(job)),
        str(story.runs(job)),
        str(book.device(story.device[job])),
        cast.hosts[cast.boards[story.device[job]].host],
        _STATES[state],
        "2" if is_canceled else "1",
        str(len(book.recipe(job).suites) + 3) if is_canceled else "0",
        _order(story.reserved[job]),
        moment(story.reserved[job]),
        moment(story.began[job]),
        moment(story.ended[job]),
        optional(error),
        error_message(book, job),
        flag(story.is_host_fault[job]),
        str(max(0, results - 1)),
    )
    return "\t".join(fields)


def _earlier_run(book: Book, job: int, earlier: Earlier) -> str:
    cast = book.story.cast
    fields = (
        str(book.run(job) - book.story.runs(job) + earlier.number),
        str(book.job(job)),
        str(earlier.number),
        str(book.device(earlier.device)),
        cast.hosts[cast.boards[earlier.device].host],
        RunState.ENDED,
        "1",
        "0",
        _order(earlier.reserved),
        moment(earlier.reserved),
        moment(earlier.began),
        moment(earlier.ended),
        ErrorType.INFRASTRUCTURE,
        _earlier_message(book, earlier),
        flag(earlier.is_host_fault),
        "0",
    )
    return "\t".join(fields)


def _earlier_message(book: Book, earlier: Earlier) -> str:
    return infrastructure_message(
        book, earlier.device, earlier.phase, is_host_fault=earlier.is_host_fault
    )


def _order(reserved: int) -> str:
    """Return the id of the order that announced a run: a place in Redis's stream."""
    return f"{reserved // 1000 + 2}-0"


def _plans(book: Book, jobs: range) -> Iterator[str]:
    stencils: dict[int, Stencil] = {}
    oldest = book.story.until - book.story.profile.plan_days * DAY
    for job in jobs:
        device = book.story.device[job]
        if device == NOBODY or book.story.submitted[job] < oldest:
            continue
        shape = book.shape(job)
        stencil = stencils.setdefault(id(shape), shape.plan)
        values = {**book.values(job), **book.board_values(device)}
        text = stencil.fill(values | {"run": str(book.run(job)), "job": str(book.job(job))})
        yield f"{book.run(job)}\t{digest(text)}\t{escaped(text)}"


def _steps(book: Book, jobs: range) -> Iterator[str]:
    for job in jobs:
        if book.story.device[job] == NOBODY:
            continue
        heads = [_step_head(step) for step in book.shape(job).steps]
        for earlier in earlier_runs(book, job):
            run = book.run(job) - book.story.runs(job) + earlier.number
            failure = f"{ErrorType.INFRASTRUCTURE}\t{_earlier_message(book, earlier)}"
            times = course_of(earlier, len(heads))
            yield from _step_rows(run, heads, times, (failure, 1))
        error = ERRORS[book.story.error[job]]
        failure = f"{error}\t{error_message(book, job)}"
        # What collects after a cancel belongs to a higher epoch.
        last_epoch = 2 if error is ErrorType.CANCELED else 1
        times = course(book, job)
        yield from _step_rows(book.run(job), heads, times, (failure, last_epoch))


def _step_head(step: PlanStep) -> str:
    return (
        f"{step.index}\t{step.kind}\t{step.queue}\t{step.name}\t{step.method}\t{step.restart_from}"
    )


def _step_rows(
    run: int, heads: list[str], times: list[StepTime], ending: tuple[str, int]
) -> Iterator[str]:
    """Yield the steps of a run; `ending` is its failure, and the epoch of its last step."""
    failure, last_epoch = ending
    last = len(heads) - 1
    for at, (head, time) in enumerate(zip(heads, times, strict=True)):
        epoch = last_epoch if at == last else 1
        begins = f"{epoch}\t1" if time.began else "0\t0"
        error = failure if time.state is StepState.FAILED else f"{NULL}\t"
        span = f"{moment(time.began)}\t{moment(time.ended)}"
        yield f"{run}\t{head}\t{time.state}\t{begins}\t{span}\t{error}"


def _reservations(book: Book, jobs: range) -> Iterator[str]:
    story, boards = book.story, book.story.cast.boards
    for job in jobs:
        for earlier in earlier_runs(book, job):
            run = book.run(job) - story.runs(job) + earlier.number
            held = f"{moment(earlier.reserved)}\t{moment(earlier.ended)}"
            yield f"{boards[earlier.device].name}\t{run}\t{held}"
        if story.device[job] != NOBODY:
            held = f"{moment(story.reserved[job])}\t{moment(story.ended[job])}"
            yield f"{boards[story.device[job]].name}\t{book.run(job)}\t{held}"


def _logs(book: Book, jobs: range) -> Iterator[str]:
    stored = log_text.stored(book)
    for job in jobs:
        if not (book.story.began[job] and book.story.has_run(job)):
            continue
        size, lines = log_text.size(book, job, is_stored=job in stored)
        is_packed = flag(book.story.is_over(job))
        yield f"{book.run(job)}\t{size}\t{lines}\t{book.day(job)}\t{is_packed}"


RUNS = Table(
    name="run",
    columns=(
        "id",
        "job_id",
        "number",
        "device_id",
        "host",
        "state",
        "epoch",
        "next",
        "sent",
        "reserved_at",
        "began_at",
        "ended_at",
        "error_type",
        "error_message",
        "is_host_fault",
        "results",
    ),
    rows=_runs,
    key="id",
    base="run",
)
PLANS = Table(
    name="run_plan", columns=("run_id", "digest", "plan"), rows=_plans, key="run_id", base="run"
)
STEPS = Table(
    name="step",
    columns=(
        "run_id",
        "position",
        "kind",
        "queue",
        "name",
        "method",
        "restart_from",
        "state",
        "epoch",
        "begins",
        "began_at",
        "ended_at",
        "error_type",
        "error_message",
    ),
    rows=_steps,
    key="run_id",
    base="run",
)
RESERVATIONS = Table(
    name="reservation",
    columns=("resource", "run_id", "reserved_at", "released_at"),
    rows=_reservations,
    key="run_id",
    base="run",
)
LOGS = Table(
    name="run_log",
    columns=("run_id", "bytes", "lines", "submitted_on", "is_packed"),
    rows=_logs,
    key="run_id",
    base="run",
    is_partitioned=True,
)
