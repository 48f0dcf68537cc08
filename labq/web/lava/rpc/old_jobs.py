"""scheduler: what older clients ask about jobs (SQUAD: `job_details`)."""

from __future__ import annotations

from collections.abc import Iterator

from labq.domain.states import JobState, Outcome
from labq.services import counts, device_brief, device_view, job_brief, job_list, job_texts
from labq.services.job_brief import JobBrief
from labq.services.job_list import ME, JobFilter, JobRow
from labq.web.endpoint import Call
from labq.web.lava import words
from labq.web.lava.faults import bad_request
from labq.web.lava.method import Flag, Int, JobId, Method, Text

MOST_JOBS = 10_000
"""Of one answer that has no bound of its own."""
MOST_RECENT = 1_000
_PART = 500
_ACTIVE = tuple(state for state in JobState if state is not JobState.FINISHED)


def details(call: Call, job_id: JobId) -> dict[str, object]:
    """Return one job with its definitions, as LAVA keeps it."""
    job = job_brief.find(call.session, call.viewer, job_id)
    definition = job_texts.find_definition(call.session, call.viewer, job.id)
    group = job_brief.find_group(call.session, job)
    return {
        "id": job.id,
        "sub_id": _sub_id(job),
        "status": words.legacy_status(job.state, job.outcome),
        "state": words.word(job.state),
        "health": words.job_health(job.outcome),
        "definition": definition,
        "original_definition": group.definition if group else definition,
        "multinode_definition": group.definition if group else "",
        "description": job.name,
        "priority": job.priority,
        "submit_time": job.submitted_at,
        "start_time": job.started_at,
        "end_time": job.ended_at,
        "submitter_id": job.submitter_id,
        "submitter_username": job.submitter,
        "submitter_email": "" if call.viewer.is_anonymous else job.submitter_email,
        "actual_device_id": job.device,
        "requested_device_type_id": job.device_type,
        "is_pipeline": True,
        "is_public": job.viewing_groups is None,
        "health_check": job.is_health_check,
        "failure_comment": job.failure_comment,
        "target_group": group.name if group else "",
        "absolute_url": f"/scheduler/job/{job.shown}",
        "error_msg": job.error_message if job.error_type else None,
        "error_type": job.error_type.value if job.error_type else None,
    }


def state(call: Call, job_id: JobId) -> dict[str, object]:
    """Return {job_id, job_state}, of a group's member sub_id too."""
    job = job_brief.find(call.session, call.viewer, job_id)
    return {"job_id": job.id, "job_state": words.word(job.state), **_member(job)}


def health(call: Call, job_id: JobId) -> dict[str, object]:
    """Return {job_id, job_health}, of a group's member sub_id too."""
    job = job_brief.find(call.session, call.viewer, job_id)
    return {"job_id": job.id, "job_health": words.job_health(job.outcome), **_member(job)}


def all_jobs(call: Call) -> list[list[object]]:
    """Return jobs that have not ended: arrays of id, description, status, device, type and sub_id."""
    found = job_list.find_page(
        call.session, call.viewer, JobFilter(states=_ACTIVE), limit=MOST_JOBS, window=None
    )
    members = job_brief.find_members(call.session, [job.id for job in found.items])
    return [
        [
            job.id,
            job.name,
            words.legacy_status(job.state, job.outcome).lower(),
            job.device,
            job.device_type,
            members.get(job.id, ""),
        ]
        for job in found.items
    ]


def recent_of_device(
    call: Call, device: Text, count: Int = 1, restrict_to_user: Flag | None = False
) -> list[dict[str, object]]:
    """Return the jobs that ended on a device, the newest first; of one's own alone if asked to."""
    if not device:
        raise bad_request("Bad request: device was not specified.")
    device_brief.find(call.session, call.viewer, device)
    wanted = JobFilter(device=device, submitter=ME if restrict_to_user else None)
    return _recent(call, wanted, count)


def recent_of_type(
    call: Call, device_type: Text, count: Int = 1, restrict_to_user: Flag | None = False
) -> list[dict[str, object]]:
    """Return the jobs that ended on devices of a type, as the method for devices does."""
    if not device_type:
        raise bad_request("Bad request: device_type was not specified.")
    device_brief.find_type(call.session, call.viewer, device_type)
    wanted = JobFilter(device_type=device_type, submitter=ME if restrict_to_user else None)
    return _recent(call, wanted, count)


def pending_by_type(call: Call, all: Flag | None = False) -> dict[str, int]:  # noqa: A002 - LAVA's name
    """Return how many jobs wait for each device type; with `all` for those without devices too."""
    queues = counts.find_queues(call.session)
    types = device_view.find_types(call.session, call.viewer, limit=MOST_JOBS).items
    return {
        kind.name: queues[kind.name].waiting if kind.name in queues else 0
        for kind in types
        if all or kind.devices or kind.name in queues
    }


def _recent(call: Call, wanted: JobFilter, count: int) -> list[dict[str, object]]:
    if count < 0:
        raise bad_request("Bad request: count must not be negative.")
    found: list[dict[str, object]] = []
    for job in _ended(call, wanted):
        if len(found) >= min(count, MOST_RECENT):
            break
        found.append(
            {
                "id": job.id,
                "description": job.name,
                "status": words.legacy_status(job.state, job.outcome),
                "device": job.device or "",
            }
        )
    return found


def _ended(call: Call, wanted: JobFilter) -> Iterator[JobRow]:
    """Yield jobs that have ended, the newest first, out of the newest MOST_JOBS that fit."""
    after, looked = None, 0
    while looked < MOST_JOBS:
        page = job_list.find_page(
            call.session, call.viewer, wanted, after=after, limit=_PART, window=None
        )
        yield from (job for job in page.items if isinstance(job.outcome, Outcome))
        if page.next is None:
            return
        after, looked = page.next, looked + _PART


def _sub_id(job: JobBrief) -> str:
    return "" if job.group_id is None else str(job.shown)


def _member(job: JobBrief) -> dict[str, str]:
    return {} if job.group_id is None else {"sub_id": str(job.shown)}


METHODS = (
    Method(name="scheduler.job_details", run=details, returns="struct"),
    Method(name="scheduler.job_state", run=state, returns="struct"),
    Method(name="scheduler.job_health", run=health, returns="struct"),
    Method(name="scheduler.all_jobs", run=all_jobs, returns="array"),
    Method(name="scheduler.get_recent_jobs_for_device", run=recent_of_device, returns="array"),
    Method(name="scheduler.get_recent_jobs_for_device_type", run=recent_of_type, returns="array"),
    Method(name="scheduler.pending_jobs_by_device_type", run=pending_by_type, returns="struct"),
)
