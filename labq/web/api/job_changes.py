"""Jobs: submit, validate, cancel, resubmit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from flask import request
from pydantic import Field
from werkzeug.exceptions import RequestEntityTooLarge

from labq.domain.errors import InvalidInputError, Problem
from labq.services import job_view, jobs, validation
from labq.services.job_view import JobView
from labq.services.jobs import SubmitOptions
from labq.services.validation import CheckLevel
from labq.web.endpoint import YAML, Call, Endpoint, Level
from labq.web.parsing import Id, Input

LARGEST_DEFINITION_BYTES = 1024 * 1024
MOST_CANCELED = 1000
_LONGEST_QUEUE_SECONDS = 366 * 24 * 3600
_YAML_TYPES = (YAML, "text/yaml", "application/x-yaml", "text/x-yaml")


class Retry(Input):
    """How often a job may run again."""

    infrastructure: int = Field(
        default=0, ge=0, le=10, description="further runs after infrastructure failures"
    )


class Kept(Input):
    """Which files a job keeps beside log and results."""

    console: bool = Field(default=False, description="the raw bytes of its consoles")


class Options(Input):
    """What a submission says beside the definition."""

    priority: int | None = Field(default=None, ge=0, le=100)
    queue_seconds: float | None = Field(
        default=None, gt=0, le=_LONGEST_QUEUE_SECONDS, description="canceled when no device took it"
    )
    retry: Retry = Retry()
    artifacts: Kept = Kept()


class DefinitionBody(Input):
    """A job definition: LAVA's YAML as text."""

    definition: str
    options: Options = Options()


class ValidationBody(DefinitionBody):
    """A job definition, and how it is judged."""

    level: CheckLevel | None = Field(
        default=None,
        description="judge the text alone, at this level; without it also what this site has",
    )


class IdsBody(Input):
    """Several jobs."""

    ids: list[Id] = Field(min_length=1, max_length=MOST_CANCELED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A job just made; `url` is its page."""

    id: int
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Whether the definition would be accepted, and all that is wrong with it."""

    valid: bool
    errors: tuple[Problem, ...] = ()


class Verdict(StrEnum):
    """What became of one job of several."""

    CANCELED = "canceled"
    FORBIDDEN = "forbidden"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAnswer:
    """One job of a bulk cancel."""

    id: int
    result: Verdict


def submit(call: Call, body: DefinitionBody) -> Submitted:
    """Submit a job."""
    _check_size(body.definition)
    options = SubmitOptions(
        priority=body.options.priority,
        queue_seconds=body.options.queue_seconds,
        retries=body.options.retry.infrastructure,
        keeps_console=body.options.artifacts.console,
    )
    made = jobs.submit(
        call.session, body.definition, user=call.viewer, now=call.now, options=options
    )
    return _submitted(made)


def validate(call: Call, body: ValidationBody) -> Validation:
    """Check a definition."""
    _check_size(body.definition)
    if body.level is not None:
        verdict = validation.validate(body.definition, body.level)
        return Validation(valid=verdict.is_valid, errors=verdict.problems)
    try:
        jobs.validate(call.session, body.definition, call.viewer)
    except InvalidInputError as error:
        return Validation(valid=False, errors=tuple(error.problems))
    return Validation(valid=True)


def cancel(call: Call, job: int) -> JobView:
    """Cancel a job."""
    jobs.cancel(call.session, job, user=call.viewer, now=call.now)
    return job_view.find(call.session, call.viewer, job)


def cancel_many(call: Call, body: IdsBody) -> tuple[CancelAnswer, ...]:
    """Cancel several jobs."""
    done = jobs.cancel_many(call.session, body.ids, user=call.viewer, now=call.now)
    found = {
        **dict.fromkeys(done.canceled, Verdict.CANCELED),
        **dict.fromkeys(done.forbidden, Verdict.FORBIDDEN),
        **dict.fromkeys(done.unknown, Verdict.UNKNOWN),
    }
    return tuple(CancelAnswer(id=job, result=found[job]) for job in dict.fromkeys(body.ids))


def resubmit(call: Call, job: int) -> Submitted:
    """Submit a job's definition once more."""
    return _submitted(jobs.resubmit(call.session, job, user=call.viewer, now=call.now))


def _submitted(job: int) -> Submitted:
    return Submitted(id=job, url=f"{request.host_url}jobs/{job}")


def _check_size(definition: str) -> None:
    if len(definition.encode()) > LARGEST_DEFINITION_BYTES:
        message = f"a definition has at most {LARGEST_DEFINITION_BYTES} bytes"
        raise RequestEntityTooLarge(message)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/jobs",
        summary="Submit a job: as JSON, or its YAML as it is",
        run=submit,
        level=Level.USER,
        body=DefinitionBody,
        raw_body=_YAML_TYPES,
        raw_field="definition",
        answer=Submitted,
        status=201,
    ),
    Endpoint(
        method="POST",
        path="/jobs/validate",
        summary="Tell whether a definition would be accepted",
        run=validate,
        level=Level.USER,
        body=ValidationBody,
        raw_body=_YAML_TYPES,
        raw_field="definition",
        answer=Validation,
    ),
    Endpoint(
        method="POST",
        path="/jobs/cancel",
        summary="Cancel several jobs and tell what became of each",
        run=cancel_many,
        level=Level.USER,
        body=IdsBody,
        answer=tuple[CancelAnswer, ...],
    ),
    Endpoint(
        method="POST",
        path="/jobs/<id:job>/cancel",
        summary="Cancel a job; one that ended stays as it is",
        run=cancel,
        level=Level.USER,
        answer=JobView,
    ),
    Endpoint(
        method="POST",
        path="/jobs/<id:job>/resubmit",
        summary="Submit the definition of a job once more",
        run=resubmit,
        level=Level.USER,
        answer=Submitted,
        status=201,
    ),
)
