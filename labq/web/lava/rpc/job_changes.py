"""scheduler.jobs and scheduler: jobs submitted, checked, canceled, under their new and old names."""

from __future__ import annotations

from http import HTTPStatus
from xmlrpc.client import Fault

from labq.domain.errors import ConflictError, InvalidInputError, NotFoundError
from labq.jobdef.parse import check_submission
from labq.services import job_brief, jobs, validation
from labq.services.validation import CheckLevel
from labq.web.endpoint import Call, Level
from labq.web.lava.faults import bad_request
from labq.web.lava.method import Flag, JobId, Method, Text


def submit(call: Call, definition: Text) -> object:
    """Submit a job; return its id, or of a group the ids `N.M` of its members in an array."""
    try:
        made = jobs.submit(call.session, definition, user=call.viewer, now=call.now)
    except (InvalidInputError, ConflictError, NotFoundError) as error:
        raise bad_request(f"Problem with submitted job data: {error}") from error
    return job_brief.find_ids(call.session, made) if _may_be_group(definition) else made


def _may_be_group(definition: str) -> bool:
    """Tell whether a definition may have roles; a backslash may hide the key that says so."""
    return "lava-multinode" in definition or "\\" in definition


def resubmit(call: Call, job_id: JobId) -> object:
    """Submit the definition of a job once more, of a group's member that of the whole group."""
    job = job_brief.find(call.session, call.viewer, job_id)
    try:
        made = jobs.resubmit(call.session, job.id, user=call.viewer, now=call.now)
    except (InvalidInputError, ConflictError) as error:
        raise bad_request(f"Problem with submitted job data: {error}") from error
    return job_brief.find_ids(call.session, made)


def cancel(call: Call, job_id: JobId) -> bool:
    """Cancel a job; one that has ended stays as it is."""
    if not job_id:
        raise bad_request("Bad request: TestJob id was not specified.")
    job = job_brief.find(call.session, call.viewer, job_id)
    jobs.cancel(call.session, job.id, user=call.viewer, now=call.now)
    return True


def validate(call: Call, definition: Text, strict: Flag | None = False) -> dict[str, str]:
    """Return an empty struct for a valid definition, else {path, msg} of what is wrong first.

    With `strict` unknown keys are wrong, too.
    """
    level = CheckLevel.STRICT if strict else CheckLevel.LAX
    return validation.validate(definition, level).as_lava()


def validate_yaml(call: Call, yaml_string: Text) -> None:
    """Return nil for a definition that LAVA's submission schema accepts."""
    problems = check_submission(yaml_string)
    if problems:
        text = "; ".join(problem.describe() for problem in problems)
        raise Fault(int(HTTPStatus.BAD_REQUEST), f"Invalid YAML submission: {text}")


METHODS = (
    Method(
        name="scheduler.jobs.submit", run=submit, returns="int", level=Level.USER, is_change=True
    ),
    Method(
        name="scheduler.submit_job", run=submit, returns="int", level=Level.USER, is_change=True
    ),
    Method(
        name="scheduler.jobs.resubmit",
        run=resubmit,
        returns="int",
        level=Level.USER,
        is_change=True,
    ),
    Method(
        name="scheduler.resubmit_job", run=resubmit, returns="int", level=Level.USER, is_change=True
    ),
    Method(
        name="scheduler.jobs.cancel",
        run=cancel,
        returns="boolean",
        level=Level.USER,
        is_change=True,
    ),
    Method(
        name="scheduler.cancel_job", run=cancel, returns="boolean", level=Level.USER, is_change=True
    ),
    Method(name="scheduler.jobs.validate", run=validate, returns="struct"),
    Method(name="scheduler.validate_yaml", run=validate_yaml, returns="nil"),
)
