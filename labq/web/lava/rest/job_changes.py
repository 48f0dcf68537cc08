"""jobs/: submitted, judged, canceled, submitted once more."""

from __future__ import annotations

from collections.abc import Callable

from labq.domain.errors import (
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    JobError,
    NotFoundError,
)
from labq.jobdef import test_definition
from labq.services import job_ids, job_view, jobs, validation
from labq.services.validation import CheckLevel
from labq.web.endpoint import Call, Level
from labq.web.lava.rest import body
from labq.web.lava.rest.errors import message_of
from labq.web.lava.rest.route import Json, Reply, Route

_SUBMITTED = "job(s) successfully submitted"
_REFUSED = "Problem with submitted job data: {}"
_REFUSALS = (InvalidInputError, JobError, ConfigurationError, ConflictError, NotFoundError)


def create(call: Call) -> Reply:
    """Submit a job."""
    definition = body.required(body.read(), "definition")

    def submit() -> int:
        return jobs.submit(call.session, definition, user=call.viewer, now=call.now)

    return _submitted(call, submit)


def resubmit(call: Call, job: int) -> Reply:
    """Submit the definition of a job once more: for a member of a group, that of the group."""
    job_view.require(call.session, call.viewer, job)

    def submit() -> int:
        return jobs.resubmit(call.session, job, user=call.viewer, now=call.now)

    return _submitted(call, submit)


def cancel(call: Call, job: int) -> Json:
    """Cancel a job; one that has ended stays as it is."""
    jobs.cancel(call.session, job, user=call.viewer, now=call.now)
    return {"message": "Job cancel signal sent."}


def cancel_many(call: Call) -> Json:
    """Cancel several jobs; which of them cannot be is told apart."""
    wanted = body.listed(body.read(), "job_ids") or []
    found = {str(one): job_ids.find(call.session, str(one)) for one in wanted[:MOST_CANCELED]}
    known = [one for one in found.values() if one is not None]
    done = jobs.cancel_many(call.session, known, user=call.viewer, now=call.now)
    canceled = [one for one in wanted if found.get(str(one)) in done.canceled]
    return {
        "job_ids": canceled,
        "invalid_job_ids": [one for one in wanted if one not in canceled],
    }


def validate(_call: Call) -> Json:
    """Judge a job definition as precisely as LAVA does; one that is wrong is a good answer, too."""
    fields = body.read()
    definition = body.required(fields, "definition")
    level = CheckLevel.STRICT if body.flag(fields, "strict") else CheckLevel.LAX
    found = validation.validate(definition, level).as_lava()
    if not found:
        return {"message": "Job valid."}
    return {"message": f"Job invalid: {found['msg']} @ {found['path']}"}


def validate_testdef(_call: Call) -> Json:
    """Judge a test definition."""
    problems = test_definition.problems(body.required(body.read(), "definition"))
    if not problems:
        return {"message": "Test definition valid."}
    told = "; ".join(one.describe() for one in problems)
    return {"message": f"Test definition invalid: {told}"}


def _submitted(call: Call, submit: Callable[[], int]) -> Reply:
    """Return LAVA's answer to a submission: what is wrong with it is no error of the request."""
    try:
        with call.session.begin_nested():
            made = submit()
    except _REFUSALS as error:
        return Reply({"message": _REFUSED.format(message_of(error))}, 400)
    ids = job_ids.submitted(call.session, made)
    return Reply({"message": _SUBMITTED, "job_ids": ids if isinstance(ids, list) else [ids]}, 201)


MOST_CANCELED = 1_000
ROUTES = (
    Route(method="POST", path="jobs/", run=create, level=Level.USER),
    Route(method="POST", path="jobs/validate/", run=validate),
    Route(method="POST", path="jobs/validate_testdef/", run=validate_testdef),
    Route(method="POST", path="jobs/batch_cancel/", run=cancel_many, level=Level.USER),
    Route(method="POST", path="jobs/<id:job>/resubmit/", run=resubmit, level=Level.USER),
    # LAVA has it as GET alone, and a client of it posts.
    Route(method="GET", path="jobs/<id:job>/cancel/", run=cancel, level=Level.USER, is_change=True),
    Route(method="POST", path="jobs/<id:job>/cancel/", run=cancel, level=Level.USER),
)
