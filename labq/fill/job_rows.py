"""Rows of jobs: the small row, the definition, the labels."""

from __future__ import annotations

from collections.abc import Iterator

from labq.domain.errors import ErrorType
from labq.domain.states import JobState
from labq.fill.book import Book
from labq.fill.copytext import NULL, array_of, escaped, flag, moment, optional
from labq.fill.recipes import BOOT, DEPLOY, DOWNLOAD
from labq.fill.stencil import Stencil
from labq.fill.story import ERRORS, NOBODY, OUTCOMES, STATES, Pin
from labq.fill.table import Table
from labq.services.job_labels import labels

_INFRASTRUCTURE = {
    DOWNLOAD: "http-download: 503 Service Unavailable for {storage}/Image",
    DEPLOY: "TFTP error: 'File not found' (1): the TFTP server of {host} has no room",
    BOOT: "no bootloader prompt within 180 s, the last line was 'U-Boot SPL 2026.01'",
}


def error_message(book: Book, job: int) -> str:
    """Return what a job's failure says, empty without one."""
    story = book.story
    error = ERRORS[story.error[job]]
    if error is None:
        return ""
    if error is ErrorType.CANCELED:
        return f"canceled by {story.cast.users[story.submitter[job]]}"
    if error is ErrorType.INFRASTRUCTURE:
        is_host_fault = bool(story.is_host_fault[job])
        device, phase = story.device[job], story.phase[job]
        return infrastructure_message(book, device, phase, is_host_fault=is_host_fault)
    if error is ErrorType.JOB and story.device[job] == NOBODY:
        return "Invalid job data: ['actions[0].deploy.to: no such method on this device']"
    return _MESSAGES[error].format(suite=book.recipe(job).suites[-1].name)


_MESSAGES = {
    ErrorType.JOB: "auto-login-action timed out after 240 s, the last line was 'Kernel panic'",
    ErrorType.TEST: "lava-test-shell timed out after 1800 s: {suite} did not end",
    ErrorType.CONFIGURATION: "the device dictionary has no address to load a kernel to",
    ErrorType.BUG: "step keeps dying",
}


def infrastructure_message(book: Book, device: int, phase: int, *, is_host_fault: bool) -> str:
    """Return why a run on this device failed that was not the job's fault."""
    cast = book.story.cast
    board = cast.boards[device]
    host = cast.hosts[board.host]
    if is_host_fault:
        return f"host {host} was stopped"
    text = _INFRASTRUCTURE.get(phase, "the console of {device} was lost")
    return text.format(storage="https://storage.example.org", host=host, device=board.name)


def _jobs(book: Book, jobs: range) -> Iterator[str]:
    story, cast = book.story, book.story.cast
    for job in jobs:
        device, wanted, state = story.device[job], story.wanted[job], STATES[story.state[job]]
        is_over = state is JobState.FINISHED
        error = ERRORS[story.error[job]] if is_over else None
        fields = (
            str(book.job(job)),
            book.name(job),
            str(book.user(story.submitter[job])),
            book.type_of(job).name,
            NULL if wanted == NOBODY else cast.boards[wanted].name,
            array_of(book.tags(job)),
            str(story.priority[job]),
            str(book.audience(job)),
            state,
            optional(OUTCOMES[story.outcome[job]]),
            optional(error),
            error_message(book, job) if is_over else "",
            moment(story.submitted[job]),
            moment(story.began[job]),
            moment(story.ended[job]),
            NULL if device == NOBODY else str(book.device(device)),
            NULL if device == NOBODY else cast.hosts[cast.boards[device].host],
            NULL if device == NOBODY else str(book.run(job)),
            flag(story.pin[job] == Pin.HEALTH_CHECK),
            str(story.retries[job]),
        )
        yield "\t".join(fields)


def _definitions(book: Book, jobs: range) -> Iterator[str]:
    stencils: dict[int, Stencil] = {}
    for job in jobs:
        shape = book.shape(job)
        stencil = stencils.get(id(shape))
        if stencil is None:
            stencil = stencils[id(shape)] = shape.definition.changed(escaped)
        values = book.values(job)
        if values["wanted"]:
            values["wanted"] = escaped(values["wanted"])
        yield f"{book.job(job)}\t{stencil.fill(values)}\t{shape.metadata.fill(values)}"


def _labels(book: Book, jobs: range) -> Iterator[str]:
    keys = ("build-number", "compiler", "git-branch", "git-describe", "kernel-arch", "test-plan")
    marks = ("build", "compiler", "branch", "describe", "arch", "plan")
    for job in jobs:
        values = book.values(job)
        metadata = {key: values[mark] for key, mark in zip(keys, marks, strict=True)}
        number, audience = book.job(job), book.audience(job)
        for name, value in labels(book.tags(job), metadata):
            yield f"{name}\t{value}\t{number}\t{audience}"


JOBS = Table(
    name="job",
    columns=(
        "id",
        "name",
        "submitter_id",
        "device_type",
        "wanted_device",
        "tags",
        "priority",
        "audience_id",
        "state",
        "outcome",
        "error_type",
        "error_message",
        "submitted_at",
        "started_at",
        "ended_at",
        "device_id",
        "host",
        "run_id",
        "is_health_check",
        "retries_left",
    ),
    rows=_jobs,
    key="id",
    base="job",
)
DEFINITIONS = Table(
    name="job_definition",
    columns=("job_id", "definition", "metadata"),
    rows=_definitions,
    key="job_id",
    base="job",
)
LABELS = Table(
    name="job_label",
    columns=("name", "value", "job_id", "audience_id"),
    rows=_labels,
    key="job_id",
    base="job",
)
