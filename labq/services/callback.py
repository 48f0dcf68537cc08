"""What a callback says of a job: its URL with the placeholders filled, and LAVA's fields."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.blobs import Logs
from labq.domain.states import LAVA_JOB_HEALTH, LAVA_JOB_STATE, JobState, Outcome
from labq.models.device import Device
from labq.models.job import Job, JobDefinition
from labq.models.run import Run, RunLog
from labq.models.user import User
from labq.services import export, job_cases
from labq.services.logs import IS_LOG_OF_RUN
from labq.services.notify_block import Dataset

MOST_LOG_BYTES = 32 * 1024 * 1024
"""Of a log in a callback; a longer one is cut at a line, and the last line says so."""
_PLACEHOLDER = re.compile(r"\{\s*([A-Z_-]+)\s*\}")
_ENDED_STATUS = {Outcome.COMPLETE: 2, Outcome.INCOMPLETE: 3, Outcome.CANCELED: 4}
_STATUS = {JobState.RUNNING: 1, JobState.CANCELING: 5}
_STATUS_NAMES = ("submitted", "running", "complete", "incomplete", "canceled", "canceling")


@dataclass(frozen=True, slots=True)
class Moment:
    """What a job was when its callback became due; it may have gone on since."""

    state: JobState
    outcome: Outcome | None

    @classmethod
    def of(cls, job: Job) -> Moment:
        """Return what a job is now."""
        return cls(job.state, job.outcome)

    @property
    def status(self) -> int:
        """Return the number that LAVA's older clients know."""
        return _STATUS.get(self.state, 0) if self.outcome is None else _ENDED_STATUS[self.outcome]

    @property
    def status_name(self) -> str:
        """Return the word for that."""
        return _STATUS_NAMES[self.status]

    @property
    def health_name(self) -> str:
        """Return LAVA's word for the outcome."""
        return self.outcome.title() if self.outcome else "Unknown"


def url_of(url: str, fields: Mapping[str, object]) -> str:
    """Return a callback's URL with `{ID}`, `{STATUS}` and the other fields of a body filled in.

    What is filled in is quoted; a name that is no field stays.
    """

    def fill(found: re.Match[str]) -> str:
        name = _ALIASES.get(found[1], found[1].lower())
        return quote(str(fields[name]), safe="") if name in fields else found[0]

    return _PLACEHOLDER.sub(fill, url)


_ALIASES = {
    "SUBMITTER": "submitter_username",
    "ACTUAL_DEVICE": "actual_device_id",
    "REQUESTED_DEVICE_TYPE": "requested_device_type_id",
}


def fields_of(session: Session, job: Job, moment: Moment) -> dict[str, object]:
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
        "status": moment.status,
        "status_string": moment.status_name,
        "state": LAVA_JOB_STATE[moment.state],
        "state_string": moment.state.title(),
        "health": LAVA_JOB_HEALTH[moment.outcome],
        "health_string": moment.health_name,
        "submit_time": str(job.submitted_at),
        "start_time": str(job.started_at),
        "end_time": str(job.ended_at if moment.outcome else None),
        "submitter_username": submitter,
        "submitter_email": email,
        "failure_comment": job.failure_comment,
        "priority": job.priority,
        "description": job.name,
        "actual_device_id": device,
        "definition": definition,
        "metadata": [{key: value} for key, value in metadata.items()],
        "health_check": job.is_health_check,
    }


def url_fields(fields: Mapping[str, object], job: Job) -> dict[str, object]:
    """Return what placeholders may name: the fields, and the type that was asked for."""
    return {**fields, "requested_device_type_id": job.device_type}


def data_of(session: Session, job: Job, dataset: Dataset, logs: Logs) -> dict[str, object]:
    """Return what a data set adds: `log`, one YAML text, and `results`, one of each suite by name."""
    found: dict[str, object] = {}
    if dataset.has_log:
        found["log"] = _log(session, job, logs)
    if dataset.has_results:
        found["results"] = {
            suite.name: "".join(export.as_yaml(job_cases.read(session, job.id, [suite])))
            for suite in job_cases.find_suites(session, job.id)
        }
    return found


def as_json(fields: Mapping[str, object]) -> bytes:
    """Return a body of JSON."""
    return json.dumps(fields).encode()


def as_form(fields: Mapping[str, object]) -> bytes:
    """Return a body as HTML forms have it: no field for None, one for each entry of a list.

    Mappings, which forms know nothing of, stand as JSON.
    """
    many = {name: value if isinstance(value, list) else [value] for name, value in fields.items()}
    pairs = [
        (name, json.dumps(one) if isinstance(one, dict) else str(one))
        for name, values in many.items()
        for one in values
        if one is not None
    ]
    return urlencode(pairs).encode()


def _log(session: Session, job: Job, logs: Logs) -> str:
    """Return what is stored of the latest run's log."""
    size = select(RunLog.bytes).select_from(Job).join(Run, Run.id == Job.run_id)
    stored = session.scalar(size.join(RunLog, IS_LOG_OF_RUN).where(Job.id == job.id)) or 0
    if job.run_id is None or not stored:
        return ""
    data = logs.read(job.run_id, 0, min(stored, MOST_LOG_BYTES))
    if stored > MOST_LOG_BYTES:
        data = data[: data.rfind(b"\n") + 1] + _rest(job, stored)
    return data.decode(errors="replace")


def _rest(job: Job, stored: int) -> bytes:
    message = f"the log has {stored} bytes: the server has the rest of it"
    line = {"dt": str(job.ended_at or job.submitted_at), "lvl": "warning", "msg": message}
    return b"- " + json.dumps(line).encode() + b"\n"
