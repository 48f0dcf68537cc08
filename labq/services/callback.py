"""What a callback says of a job: its URL with the placeholders filled, and LAVA's minimal fields."""

from __future__ import annotations

import re

from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.states import LAVA_JOB_HEALTH, LAVA_JOB_STATE, JobState, Outcome
from labq.models.device import Device
from labq.models.job import Job, JobDefinition
from labq.models.user import User

_PLACEHOLDER = re.compile(r"\{\s*([A-Z_]+)\s*\}")
_ENDED_STATUS = {Outcome.COMPLETE: 2, Outcome.INCOMPLETE: 3, Outcome.CANCELED: 4}
_STATUS = {JobState.SUBMITTED: 0, JobState.SCHEDULED: 0, JobState.RUNNING: 1, JobState.CANCELING: 5}
_STATUS_NAMES = ("submitted", "running", "complete", "incomplete", "canceled", "canceling")


def url_of(url: str, job: Job) -> str:
    """Return a callback's URL with `{ID}`, `{STATUS}`, `{STATUS_STRING}`, `{STATE}` ... filled."""
    fields = {
        "ID": str(job.id),
        "STATUS": str(_status(job)),
        "STATUS_STRING": _STATUS_NAMES[_status(job)],
        "STATE": str(LAVA_JOB_STATE[job.state]),
        "STATE_STRING": job.state.title(),
        "HEALTH": str(LAVA_JOB_HEALTH[job.outcome]),
        "HEALTH_STRING": _health_name(job),
    }
    return _PLACEHOLDER.sub(lambda found: fields.get(found[1], found[0]), url)


def body_of(session: Session, job: Job) -> dict[str, object]:
    """Return the fields of a callback's body, as LAVA names and writes them."""
    query = (
        select(
            User.name, User.email, Device.name, JobDefinition.definition, JobDefinition.job_metadata
        )
        .select_from(Job)
        .join(User, User.id == Job.submitter_id)
        .join(JobDefinition, JobDefinition.job_id == Job.id)
        .outerjoin(Device, Device.id == Job.device_id)
        .where(Job.id == job.id)
    )
    submitter, email, device, definition, metadata = session.execute(query).one()
    return {
        "id": job.id,
        "status": _status(job),
        "status_string": _STATUS_NAMES[_status(job)],
        "state": LAVA_JOB_STATE[job.state],
        "state_string": job.state.title(),
        "health": LAVA_JOB_HEALTH[job.outcome],
        "health_string": _health_name(job),
        "submit_time": str(job.submitted_at),
        "start_time": str(job.started_at),
        "end_time": str(job.ended_at),
        "submitter_username": submitter,
        "submitter_email": email,
        "failure_comment": "",
        "priority": job.priority,
        "description": job.name,
        "actual_device_id": device,
        "definition": definition,
        "metadata": [{key: value} for key, value in metadata.items()],
        "health_check": False,
    }


def _status(job: Job) -> int:
    """Return the number that LAVA's older clients know."""
    return _STATUS[job.state] if job.outcome is None else _ENDED_STATUS[job.outcome]


def _health_name(job: Job) -> str:
    return job.outcome.title() if job.outcome else "Unknown"
