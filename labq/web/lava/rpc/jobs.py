"""scheduler.jobs: what is known of jobs."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from xmlrpc.client import Fault

from labq.domain.errors import NotFoundError
from labq.domain.states import JobState, Outcome
from labq.services import host_files, job_brief, job_newest, job_texts
from labq.services.job_newest import NewestFilter, NewestRow
from labq.web.endpoint import Call
from labq.web.lava import words
from labq.web.lava.faults import bad_request
from labq.web.lava.method import Flag, Int, JobId, Method, Text

MOST_JOBS = 100
_BEGUN = frozenset({JobState.RUNNING, JobState.CANCELING, JobState.FINISHED})
_SCHEDULING = "scheduling"


def show(call: Call, job_id: JobId) -> dict[str, object]:
    """Return one job; times are UTC, nil while there are none."""
    job = job_brief.find(call.session, call.viewer, job_id)
    return {
        "id": job.shown,
        "description": job.name,
        "device": job.device,
        "device_type": job.device_type,
        "health_check": job.is_health_check,
        "pipeline": True,
        "health": words.job_health(job.outcome),
        "state": words.word(job.state),
        "submitter": job.submitter,
        "submit_time": job.submitted_at,
        "start_time": job.started_at,
        "end_time": job.ended_at,
        "tags": list(job.tags),
        "visibility": words.visibility(job.viewing_groups),
        "failure_comment": job.failure_comment,
        "error_msg": job.error_message if job.error_type else None,
        "error_type": job.error_type.value if job.error_type else None,
    }


def list_jobs(
    call: Call,
    state: Text | None = None,
    health: Text | None = None,
    start: Int = 0,
    limit: Int = 25,
    since: Int | None = 0,
    verbose: Flag | None = False,
    duration_at_least: Int | None = None,
) -> list[dict[str, object]]:
    """Return jobs, the newest first: `limit` of them, 100 at most, after the first `start`.

    `since`: that ended in so many minutes. `duration_at_least`: that have run for so many minutes.
    With `verbose` there are device, times and errors too.
    """
    wanted = NewestFilter(
        states=_states(state),
        outcomes=_outcomes(health),
        ended_since=call.now - timedelta(minutes=_minutes(since)) if since else None,
        started_until=(
            call.now - timedelta(minutes=_minutes(duration_at_least)) if duration_at_least else None
        ),
    )
    rows = job_newest.find(
        call.session, call.viewer, wanted, start=max(0, start), limit=_bounded(limit)
    )
    return [_verbose(row) if verbose else _brief(row) for row in rows]


def queue(
    call: Call, device_types: list[Text] | None = None, start: Int = 0, limit: Int = 25
) -> list[dict[str, object]]:
    """Return jobs that wait for a device, the newest first, of some device types or of all."""
    rows = job_newest.find_waiting(
        call.session, call.viewer, device_types, start=max(0, start), limit=_bounded(limit)
    )
    return [
        {
            "id": row.shown,
            "description": row.name,
            "requested_device_type": row.device_type,
            "submitter": row.submitter,
        }
        for row in rows
    ]


def definition(call: Call, job_id: JobId) -> str:
    """Return the definition as it was submitted; of a group's member that of the whole group."""
    job = job_brief.find(call.session, call.viewer, job_id)
    group = job_brief.find_group(call.session, job)
    if group is not None:
        return group.definition
    return job_texts.find_definition(call.session, call.viewer, job.id)


def configuration(call: Call, job_id: JobId) -> list[str | None]:
    """Return what a job ran with: [job, device, dispatcher, env, env_dut], nil for what it had not."""
    job = job_brief.find(call.session, call.viewer, job_id)
    if job.state not in _BEGUN:
        raise Fault(int(HTTPStatus.NOT_FOUND), f"Job '{job_id}' has not started yet")
    text = job_texts.find_definition(call.session, call.viewer, job.id)
    try:
        device: str | None = job_texts.find_dictionary(call.session, call.viewer, job.id)
    except NotFoundError:
        device = None
    files = host_files.find_of_job(call.session, job.id)
    return [text, device, files.dispatcher_config, files.environment, files.device_environment]


def _states(state: str | None) -> tuple[JobState, ...] | None:
    """Return the states of LAVA's word, none for one that no job of labq has; None asks for any."""
    if not state:
        return None
    found = words.find_word(JobState, state)
    if found is None and state.lower() != _SCHEDULING:
        raise bad_request(f"Invalid state '{state}'")
    return () if found is None else (found,)


def _outcomes(health: str | None) -> tuple[Outcome | None, ...] | None:
    if not health:
        return None
    if health.capitalize() == words.NO_HEALTH:
        return (None,)
    found = words.find_word(Outcome, health)
    if found is None:
        raise bad_request(f"Invalid health '{health}'")
    return (found,)


def _minutes(number: int) -> int:
    """Return a number of minutes that time can be counted back by."""
    return max(0, min(number, 60 * 24 * 366 * 100))


def _bounded(limit: int) -> int:
    return max(0, min(limit, MOST_JOBS))


def _brief(row: NewestRow) -> dict[str, object]:
    return {
        "id": row.shown,
        "description": row.name,
        "device_type": row.device_type,
        "health": words.job_health(row.outcome),
        "state": words.word(row.state),
        "submitter": row.submitter,
    }


def _verbose(row: NewestRow) -> dict[str, object]:
    return {
        **_brief(row),
        "actual_device": row.device,
        "start_time": words.plain_time(row.started_at),
        "end_time": words.plain_time(row.ended_at),
        "error_msg": row.error_message if row.error_type else None,
        "error_type": row.error_type.value if row.error_type else None,
    }


METHODS = (
    Method(name="scheduler.jobs.show", run=show, returns="struct"),
    Method(name="scheduler.jobs.list", run=list_jobs, returns="array"),
    Method(name="scheduler.jobs.queue", run=queue, returns="array"),
    Method(name="scheduler.jobs.definition", run=definition, returns="string"),
    Method(name="scheduler.jobs.configuration", run=configuration, returns="array"),
)
